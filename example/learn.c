/* A small model learns one text by heart, is saved as a folder that others open, and says the text.
 *   learn TOKENIZER FOLDER */
#include "hone/model.h"
#include <math.h>
#include <stdio.h>

enum { STEPS = 60, MOST_IDS = 256 };

static const char text[] = "A small boat lay in the bay. Its sail was red, and its owner was a cat "
                           "who sold fish to the gulls at half the usual price.";

/* Warm-up over ten steps, then down along half a cosine. */
static double rate(int step) {
    return 3e-3 * fmin(1, (step + 1) / 10.0) * (0.55 + 0.45 * cos(3.14159265 * step / STEPS));
}

static int train(hone_context *h, const char *tokenizer, const char *folder) {
    int32_t ids[MOST_IDS];
    hone_learned learned = {0};
    hone_trainer_options options = {.preset = "1m",
                                    .tokenizer = tokenizer,
                                    .tokens = MOST_IDS,
                                    .sequences = 1,
                                    .clip = 1,
                                    .seed = 1};
    hone_tokenizer *words = hone_tokenizer_open(h, tokenizer);
    hone_trainer *t = words ? hone_trainer_new(h, &options) : NULL;
    int64_t n = t ? hone_tokenize(words, text, -1, HONE_ADD_SPECIAL, ids, MOST_IDS) : -1;
    hone_batch batch = {.ids = ids, .lengths = &n, .sequences = 1};
    int bad = n < 0 || n > MOST_IDS;
    for (int step = 0; step < STEPS && !bad; step++) {
        bad = hone_train_step(t, &batch, rate(step), &learned) != HONE_OK;
        if (step % 10 == 0) fprintf(stderr, "step %d/%d  loss %.4f\n", step, STEPS, learned.loss);
    }
    if (!bad) bad = hone_trainer_save(t, folder, "bf16") != HONE_OK;
    if (!bad) printf("loss %.4f after %d steps\n", learned.loss, STEPS);
    hone_trainer_free(t);
    hone_tokenizer_free(words);
    return bad || learned.loss > 0.5;
}

static hone_status show(void *user, const hone_piece *piece) {
    (void)user;
    fwrite(piece->text, 1, (size_t)piece->text_bytes, stdout);
    return HONE_OK;
}

static int say(hone_context *h, const char *folder) {
    int32_t ids[16];
    hone_model *m = hone_model_open(h, folder, NULL);
    int64_t n =
        m ? hone_tokenize(hone_model_tokenizer(m), "A small boat", -1, HONE_ADD_SPECIAL, ids, 16)
          : -1;
    int bad = n < 0 || n > 16;
    if (!bad) fputs("A small boat", stdout);
    if (!bad)
        bad = hone_generate(
                  m, &(hone_request){.prompt = ids, .n_prompt = n, .most_tokens = 60, .tell = show},
                  1) != HONE_OK;
    puts("");
    hone_model_free(m);
    return bad;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: learn TOKENIZER FOLDER\n", stderr);
        return 2;
    }
    hone_context *h = hone_new();
    int bad = !h || train(h, argv[1], argv[2]) || say(h, argv[2]);
    if (bad) fprintf(stderr, "learn: %s\n", h ? hone_error(h) : "no memory");
    if (h) hone_free(h);
    return bad;
}
