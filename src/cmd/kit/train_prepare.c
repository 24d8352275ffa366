/* Text given to `hone train` itself: prepared once into FOLDER/data, as `hone data prepare` would. */
#include "cmd/kit/train.h"
#include "base/log.h"
#include "text/prepare.h"
#include <string.h>
#include <unistd.h>

static bool is_complete(const verb_call *call, const char *folder) {
    char *manifest = arena_printf(call->memory, "%s/manifest.json", folder);
    return manifest && file_exists(manifest);
}

/* A preparation that was cut short may have left its tokenizer; its shards are removed by the writer. The folder is
 * the run's own, so that nothing else can lie there. */
static void remove_leftovers(const verb_call *call, const char *folder) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "tokenizer.gguf"};
    for (int64_t i = 0; i < COUNT_OF(names); i++) {
        const char *path = arena_printf(call->memory, "%s/%s", folder, names[i]);
        if (path) (void)unlink(path);
    }
}

status train_prepare(void *user, const char **data) {
    const verb_call *call = user;
    const train_options *o = call->options;
    char *folder = arena_printf(call->memory, "%s/data", o->out);
    const char *kind = o->tokenizer ? o->tokenizer : o->model ? o->model : "bpe";
    if (!folder) return STATUS_NO_MEMORY;
    *data = folder;
    if (is_complete(call, folder)) return STATUS_OK;
    remove_leftovers(call, folder);
    bool characters = !strcmp(kind, "characters"), bytes = !strcmp(kind, "bytes");
    bool trained = !strcmp(kind, "bpe");
    prepare_options p = {.input = {.files = &o->text, .n_files = 1},
                         .folder = folder,
                         .tokenizer = characters || bytes || trained ? NULL : kind,
                         .bytes = bytes,
                         .characters = characters,
                         .vocabulary = trained ? o->vocabulary : 0,
                         .held_out = o->held_out,
                         .seed = (uint64_t)o->seed,
                         .threads = (int)o->threads};
    prepare_result r;
    TRY_NOTE(call->cx, prepare_run(call->cx, &p, &r), "preparing '%s'", o->text);
    log_info("%s: %lld tokens to learn, %lld held out, a vocabulary of %lld", o->text,
             (long long)r.tokens[TOKENS_TRAIN], (long long)r.tokens[TOKENS_VALIDATION],
             (long long)r.vocabulary);
    return STATUS_OK;
}
