/*
 * lib/text.h: words and their nearest neighbours, for the hints of error messages.
 */
#ifndef VITRINE_LIB_TEXT_H
#define VITRINE_LIB_TEXT_H

#include <stddef.h>

/* Edit distance, for hints; nearest word of a list or NULL when nothing is near. */
unsigned text_distance(const char *a, const char *b);
const char *text_nearest(const char *word, const char *(*get)(size_t index));

#endif
