/* Parsing and applying a chat template (infer/chat.h). */
#include "infer/chat.h"
#include "text/tokenizer_config.h"

static status read_gguf(chat *c, const char *path, tokenizer_config *said) {
    gguf g = {0};
    TRY(gguf_open(c->cx, path, &g));
    status st = tokenizer_config_of_gguf(c->cx, &c->mem, path, &g, c->tokens, said);
    gguf_close(&g);
    return st;
}

static status read_all(chat *c, const char *path) {
    tokenizer_config said;
    TRY(file_is_folder(path) ? tokenizer_config_read(c->cx, &c->mem, path, &said)
                             : read_gguf(c, path, &said));
    c->bos = said.token[TOKEN_BOS];
    c->eos = said.token[TOKEN_EOS];
    const named_template *source = tokenizer_config_template(&said);
    if (!source) return STATUS_OK;
    c->source = source->text;
    TRY_NOTE(c->cx, template_parse(c->cx, source->text, source->length, &c->parsed),
             "'%s': chat template", said.source);
    return STATUS_OK;
}

status chat_open(context *cx, const char *path, const tokenizer *tokens, chat **out) {
    *out = NULL;
    chat *c = context_zalloc(cx, sizeof *c);
    if (!c) return STATUS_NO_MEMORY;
    *c = (chat){.cx = cx, .mem = arena_make(cx), .tokens = tokens};
    status st = read_all(c, path);
    if (st == STATUS_OK)
        *out = c;
    else
        chat_close(c);
    return st;
}

void chat_close(chat *c) {
    if (!c) return;
    template_free(c->parsed);
    arena_free(&c->mem);
    context_release(c->cx, c);
}

status chat_encode(const chat *c, const template_input *input, token_list *out) {
    if (!c->parsed)
        FAIL(
            c->cx, STATUS_UNSUPPORTED,
            "the model has no chat template: give it plain text to continue, as completions do, or "
            "put a chat_template.jinja into its folder");
    template_input whole = *input;
    template_text text;
    encoder *e;
    arena a = arena_make(c->cx);
    whole.bos_token = c->bos;
    whole.eos_token = c->eos;
    status st = template_render(c->parsed, &a, &whole, &text);
    if (st == STATUS_OK) st = encoder_new(c->cx, c->tokens, &e);
    if (st == STATUS_OK) {
        /* special tokens are the template's business: it has written those that belong there */
        st = encoder_run(e, text.text, text.length_bytes, (encode_options){.trust_special = true},
                         out);
        encoder_free(e);
    }
    arena_free(&a);
    return st;
}

status chat_message(arena *a, template_value list, const char *role, const char *text,
                    int64_t length) {
    template_value message;
    TRY(template_dict_new(a, &message));
    TRY(template_dict_set(a, message, "role", template_string(role)));
    TRY(template_dict_set(a, message, "content", template_string_of(text, length)));
    return template_list_append(a, list, message);
}
