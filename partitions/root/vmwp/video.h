/*
 * vmwp/video.h: the VM's synthetic screen. Callers hold vm.lock.
 */
#ifndef RT_VIDEO_H
#define RT_VIDEO_H

#include <stdbool.h>
#include <stdint.h>

bool video_offer(void);                             /* false: not possible */
void video_size(uint32_t *width, uint32_t *height); /* of the screen; 1024 x 768 before it is on */

#endif
