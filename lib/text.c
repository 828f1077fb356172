/* lib/text.c: edit distance and the nearest word of a list (lib/text.h). */
#include "lib/text.h"

#include <string.h>

unsigned text_distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t m = strlen(b);

    if (m >= 63 || strlen(a) >= 63)
        return 99;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *text_nearest(const char *word, const char *(*get)(size_t index))
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)strlen(word) / 3 + 1;

    for (size_t i = 0; get(i); i++) {
        unsigned d = text_distance(word, get(i));
        if (d <= best_distance && (!best || d < best_distance)) {
            best = get(i);
            best_distance = d;
        }
    }
    return best;
}
