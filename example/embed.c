/* How alike texts are: the cosine between the vectors that an encoder gives them.
 *   embed MODEL TEXT TEXT ... */
#include "hone/model.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double cosine(const float *a, const float *b, int64_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static int compare(hone_model *m, const char *const *texts, int n) {
    int64_t width = hone_model_describe(m).width;
    float *vectors = malloc((size_t)(n * width) * sizeof *vectors);
    int bad = !vectors || hone_embed(m, texts, n, vectors);
    for (int i = 0; i < n && !bad; i++) {
        for (int k = 0; k < n; k++)
            printf(" %6.3f", cosine(vectors + i * width, vectors + k * width, width));
        printf("  %s\n", texts[i]);
    }
    free(vectors);
    return bad;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: embed MODEL TEXT TEXT ...\n", stderr);
        return 2;
    }
    hone_context *h = hone_new();
    hone_model *m = h ? hone_model_open(h, argv[1], NULL) : NULL;
    int bad = !m || compare(m, (const char *const *)argv + 2, argc - 2);
    if (bad) fprintf(stderr, "embed: %s\n", h ? hone_error(h) : "no memory");
    hone_model_free(m);
    if (h) hone_free(h);
    return bad;
}
