/* `hone convert`: a model folder or a GGUF file as the other of the two, or as itself in another format. */
#include "base/log.h"
#include "base/options.h"
#include "cmd/kit/convert.h"
#include <string.h>

typedef struct convert_options {
    const char *format;
    bool without_tokenizer;
} convert_options;

static const option_def options[] = {
    OPTION(convert_options, format, OPTION_STRING, .letter = 'f', .value = "F",
           .help =
               "format of the matrices: f32, bf16, f16; in a GGUF file also q4_0, q8_0, q4_k and "
               "every other "
               "that GGUF has, or the mixtures q4_k_m and q5_k_m; as they are stored if not given"),
    OPTION(convert_options, without_tokenizer, OPTION_BOOL,
           .help = "leave the tokenizer out, where the other kind of file cannot hold it"),
    {0}};

static status convert_run(const verb_call *call) {
    const convert_options *o = call->options;
    const conversion c = {.in = call->args[0],
                          .out = call->args[1],
                          .format = o->format,
                          .without_tokenizer = o->without_tokenizer};
    TRY(convert(call->cx, call->memory, &c));
    log_info("%s: written", c.out);
    return STATUS_OK;
}

extern const verb_def verb_convert;
const verb_def verb_convert = {
    .name = "convert",
    .summary = "write a model folder or a GGUF file in another format",
    .example = "hone convert storyteller storyteller-q4_0.gguf --format q4_0",
    .help =
        "IN is a model folder or a GGUF file. OUT is a GGUF file if its name ends in .gguf, else a "
        "folder.\n"
        "Values are rounded as the formats of `hone inspect` say, vectors are kept in f32. Files "
        "are mapped and "
        "written aside, so that memory stays small and OUT appears only when it is complete. The "
        "tokenizer and "
        "the chat templates go along; what the other kind of file cannot say of them is refused.",
    .positional = "IN OUT",
    .min_args = 2,
    .max_args = 2,
    .options_bytes = sizeof(convert_options),
    .options = options,
    .run = convert_run,
};
