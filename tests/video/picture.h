/* tests/video/picture.h: the picture and the text that the guest draws and the host expects. */
#ifndef TESTS_VIDEO_PICTURE_H
#define TESTS_VIDEO_PICTURE_H

#define PICTURE_WIDTH  800
#define PICTURE_HEIGHT 600
#define PICTURE(x, y) \
    ((((x)*5 + (y)*3) & 255) << 16 | (((x) ^ (y)) & 255) << 8 | (((x) * (y)) & 255))

#define TEXT_LINES          25
#define TEXT(row, col)      ((((row)*80 + (col)) * 7 + 33) & 255)
#define ATTRIBUTE(row, col) ((((row) + (col)) & 15) | ((row)&7) << 4)

#endif
