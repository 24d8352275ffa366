/* A model continues a text, or answers it where it has a chat template; each piece is shown as it comes.
 *   write MODEL TEXT [TEMPERATURE] */
#include "hone/model.h"
#include <stdio.h>
#include <stdlib.h>

enum { MOST_IDS = 4096 };

static hone_status show(void *user, const hone_piece *piece) {
    int *tokens = user;
    *tokens += piece->id >= 0;
    fwrite(piece->text, 1, (size_t)piece->text_bytes, stdout);
    fflush(stdout);
    return HONE_OK; /* anything else would end it */
}

static int64_t read_prompt(hone_model *m, const char *text, int32_t *ids) {
    if (!hone_model_describe(m).chats)
        return hone_tokenize(hone_model_tokenizer(m), text, -1, HONE_ADD_SPECIAL, ids, MOST_IDS);
    hone_message messages[] = {{"user", text}};
    return hone_chat(m, messages, 1, ids, MOST_IDS);
}

static int answer(hone_model *m, const char *text, double temperature) {
    static int32_t ids[MOST_IDS];
    int tokens = 0;
    int64_t n = read_prompt(m, text, ids);
    if (n < 0 || n > MOST_IDS) return 1;
    hone_request request = {.prompt = ids,
                            .n_prompt = n,
                            .most_tokens = 60,
                            .temperature = temperature,
                            .top_p = 0.95,
                            .seed = 1,
                            .tell = show,
                            .user = &tokens};
    if (hone_generate(m, &request, 1)) return 1;
    printf("\n%d tokens\n", tokens);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: write MODEL TEXT [TEMPERATURE]\n", stderr);
        return 2;
    }
    hone_context *h = hone_new();
    hone_model *m = h ? hone_model_open(h, argv[1], NULL) : NULL;
    int bad = !m || answer(m, argv[2], argc > 3 ? atof(argv[3]) : 0);
    if (bad) fprintf(stderr, "write: %s\n", h ? hone_error(h) : "no memory");
    hone_model_free(m);
    if (h) hone_free(h);
    return bad;
}
