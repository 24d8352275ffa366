#include "letters_model.h"
#include "base/file.h"
#include "model/kit/model.h"
#include "text/tokenizer_write.h"
#include <stdio.h>
#include <sys/stat.h>

enum { PATH = 600 };

status letters_model(context *cx, const char *folder, float scale) {
    uint32_t letters[LETTERS] = {'\n', ' ', 'a', 'b', 'c', 'd'};
    text_buffer words = {.cx = cx};
    char path[PATH];
    model_config config;
    TRY(model_config_start(cx, "llama", &config));
    config.layers = 2, config.hidden = 16, config.heads = config.kv_heads = 2;
    config.intermediate = 32, config.vocabulary = LETTERS, config.positions = 64;
    config.tied = true, config.norm_epsilon = 1e-5;
    TRY(model_config_complete(cx, &config));
    states *store = states_new(cx);
    graph *g = graph_new(cx);
    model_build b = {.g = g, .config = &config};
    value logits = model_logits(&b, model_hidden(&b, model_build_inputs(g, 8, 2)));
    graph_mark(g, MARK_OUTPUT, "logits", logits, NO_VALUE);
    TRY(graph_status(g));
    TRY(model_init(&config, store, g, 5));
    for (int32_t i = 0; i < states_count(store); i++) {
        const state *s = states_at(store, i);
        if (s->tag != TAG_PARAMETER || s->t.rank < 2) continue;
        for (int64_t e = 0; e < tensor_elems(&s->t); e++) ((float *)s->t.data)[e] *= scale;
    }
    TRY(model_save(cx, folder, &config, store, "f32"));
    TRY(tokenizer_write_characters(letters, LETTERS, NULL, 0, &words));
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    TRY(file_write_whole(cx, path, words.bytes, words.length));
    text_free(&words);
    graph_free(g);
    states_free(store);
    return STATUS_OK;
}
