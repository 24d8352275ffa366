/* Public models over the floors below: the engine generates (infer/engine.h), the embedder embeds (infer/embed.h); both
 * are opened when they are first needed and share the model's mapped files. */
#include "api/tokens.h"
#include "infer/chat.h"
#include "infer/embed.h"
#include "infer/fits.h"

enum { DEFAULT_SEQUENCES = 8 };

/* A request that runs: what its callback needs. */
typedef struct asked {
    struct asked *next;
    hone_model *m;
    uint64_t id;
    hone_tell *tell;
    void *user;
    bool logprobs, refused, over;
} asked;

struct hone_model {
    hone_context *h;
    hone_model_options options;
    model *m;
    hone_tokenizer tokens;
    chat *chat;
    engine *e;
    embedder *embedder;
    asked *asked;
};

/* ---- opening ---- */

/* Strings that are only needed later are the library's own copies. */
static status keep_options(hone_model *m, const hone_model_options *options) {
    if (!options) return STATUS_OK;
    m->options = *options;
    const char **texts[] = {&m->options.kv_format, &m->options.act};
    for (int64_t i = 0; i < COUNT_OF(texts); i++) {
        if (!*texts[i]) continue;
        *texts[i] = arena_strdup(&m->m->memory, *texts[i]);
        if (!*texts[i]) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static status open_model(hone_model *m, const char *path, const hone_model_options *options) {
    TRY(model_open(m->h->cx, path, &m->m));
    TRY(keep_options(m, options));
    TRY(tokens_open(m->h, path, &m->tokens));
    return chat_open(m->h->cx, path, m->tokens.tokens, &m->chat);
}

hone_model *hone_model_open(hone_context *h, const char *path, const hone_model_options *options) {
    hone_model *m = context_zalloc(h->cx, sizeof *m);
    if (!m) return NULL;
    m->h = h;
    if (open_model(m, path, options) == STATUS_OK) return m;
    hone_model_free(m);
    return NULL;
}

void hone_model_free(hone_model *m) {
    if (!m) return;
    context *cx = m->h->cx;
    engine_close(m->e);
    embedder_close(m->embedder);
    for (asked *a = m->asked, *next; a; a = next) {
        next = a->next;
        context_release(cx, a);
    }
    chat_close(m->chat);
    tokens_close(&m->tokens);
    model_close(m->m);
    context_release(cx, m);
}

hone_model_facts hone_model_describe(const hone_model *m) {
    const model_config *c = &m->m->config;
    return (hone_model_facts){.architecture = c->model_type,
                              .layers = c->layers,
                              .width = c->hidden,
                              .vocabulary = c->vocabulary,
                              .positions = c->positions,
                              .begin_token = (int32_t)c->begin_token,
                              .end_token = c->end_token_count ? (int32_t)c->end_tokens[0] : -1,
                              .generates = m->m->def->logits != NULL,
                              .chats = m->chat->parsed != NULL};
}

hone_tokenizer *hone_model_tokenizer(const hone_model *m) {
    return (hone_tokenizer *)&m->tokens;
}

/* ---- chat ---- */

static status encode_chat(hone_model *m, arena *mem, const hone_message *messages, int64_t n,
                          token_list *ids) {
    template_input input = {.add_generation_prompt = true};
    TRY(template_list_new(mem, TEMPLATE_PLAIN_LIST, &input.messages));
    for (int64_t i = 0; i < n; i++)
        TRY(chat_message(mem, input.messages, messages[i].role, messages[i].text,
                         (int64_t)strlen(messages[i].text)));
    return chat_encode(m->chat, &input, ids);
}

int64_t hone_chat(hone_model *m, const hone_message *messages, int64_t n, int32_t *ids,
                  int64_t room) {
    arena mem = arena_make(m->h->cx);
    token_list list = {.cx = m->h->cx};
    status st = encode_chat(m, &mem, messages, n, &list);
    arena_free(&mem);
    return tokens_give(st, &list, ids, room);
}

/* ---- generating ---- */

static status need_engine(hone_model *m) {
    const hone_model_options *o = &m->options;
    context *cx = m->h->cx;
    if (m->e) return STATUS_OK;
    if (!m->m->def->logits)
        FAIL(cx, STATUS_UNSUPPORTED, "'%s' is an encoder, which does not write text: hone_embed",
             m->m->path);
    engine_model what = engine_model_of(m->m, m->tokens.tokens);
    engine_options how = {.context = o->context,
                          .sequences = o->sequences ? o->sequences : DEFAULT_SEQUENCES,
                          .kv_format = o->kv_format,
                          .act = o->act,
                          .threads = o->threads};
    TRY(engine_fits(cx, m->m->path, &what, &how));
    return engine_open(cx, &what, &how, &m->e);
}

static void hear(void *user, const engine_event *event) {
    asked *a = user;
    const char *finish = event->finish ? engine_finish_name(event->finish) : NULL;
    hone_piece piece = {.request = event->request,
                        .id = event->id,
                        .text = event->text_bytes ? event->text : "",
                        .text_bytes = event->text_bytes,
                        .logprob = a->logprobs ? event->logprob : 0,
                        .finish = finish};
    bool heard = a->tell && (!a->refused || finish);
    if (heard && a->tell(a->user, &piece) != HONE_OK && !finish) {
        a->refused = true;
        engine_cancel(a->m->e, event->request);
    }
    a->over |= finish != NULL;
}

static engine_request inner_request(const hone_request *r, const stop_text *stops) {
    return (engine_request){.prompt = r->prompt,
                            .n_prompt = r->n_prompt,
                            .most_tokens = r->most_tokens > 0 ? r->most_tokens : -1,
                            .sampling = {.temperature = r->temperature,
                                         .top_k = r->top_k,
                                         .top_p = r->top_p > 0 ? r->top_p : 1,
                                         .min_p = r->min_p,
                                         .typical_p = 1,
                                         .repetition_penalty = r->repetition ? r->repetition : 1,
                                         .seed = r->seed},
                            .stops = stops,
                            .n_stops = r->n_stop,
                            .logprobs = r->logprobs,
                            .tell = hear};
}

static status submit(hone_model *m, const hone_request *r, uint64_t *id) {
    context *cx = m->h->cx;
    TRY(need_engine(m));
    arena mem = arena_make(cx);
    stop_text *stops = ARENA_NEW(&mem, stop_text, r->n_stop + 1);
    asked *a = context_zalloc(cx, sizeof *a);
    status st = stops && a ? STATUS_OK : STATUS_NO_MEMORY;
    for (int64_t i = 0; st == STATUS_OK && i < r->n_stop; i++)
        stops[i] = (stop_text){r->stop[i], (int64_t)strlen(r->stop[i])};
    if (st == STATUS_OK) {
        engine_request ask = inner_request(r, stops);
        *a = (asked){m->asked, m, 0, r->tell, r->user, r->logprobs, false, false};
        ask.user = a;
        st = engine_submit(m->e, &ask, &a->id);
    }
    arena_free(&mem);
    if (st == STATUS_OK) {
        m->asked = a;
        if (id) *id = a->id;
    } else {
        context_release(cx, a);
    }
    return st;
}

hone_status hone_submit(hone_model *m, const hone_request *request, uint64_t *id) {
    return status_public(submit(m, request, id));
}

static void forget_those_over(hone_model *m) {
    for (asked **at = &m->asked; *at;) {
        asked *a = *at;
        if (a->over) {
            *at = a->next;
            context_release(m->h->cx, a);
        } else {
            at = &a->next;
        }
    }
}

hone_status hone_step(hone_model *m) {
    if (!hone_busy(m)) return HONE_OK;
    status st = engine_step(m->e);
    forget_those_over(m);
    return status_public(st);
}

int hone_busy(const hone_model *m) {
    return m->e && engine_busy(m->e);
}

void hone_cancel(hone_model *m, uint64_t id) {
    if (m->e) engine_cancel(m->e, id);
}

hone_status hone_generate(hone_model *m, const hone_request *requests, int64_t n) {
    uint64_t first = 0, last = 0;
    status st = STATUS_OK;
    for (int64_t i = 0; i < n && st == STATUS_OK; i++) {
        st = submit(m, &requests[i], &last);
        if (!first) first = last;
    }
    for (uint64_t id = first; st != STATUS_OK && id && id <= last; id++) hone_cancel(m, id);
    while (hone_busy(m)) {
        hone_status stepped = hone_step(m);
        if (stepped) return stepped;
    }
    return status_public(st);
}

/* ---- embedding ---- */

static status embed(hone_model *m, arena *mem, token_list *ids, const char *const *texts, int64_t n,
                    float *out) {
    int64_t *ends = ARENA_NEW(mem, int64_t, n + 1);
    embedder_text *each = ARENA_NEW(mem, embedder_text, n + 1);
    if (!ends || !each) return STATUS_NO_MEMORY;
    if (!m->embedder) {
        engine_model what = engine_model_of(m->m, m->tokens.tokens);
        embedder_options how = {.threads = m->options.threads};
        TRY(embedder_open(m->h->cx, &what, &how, &m->embedder));
    }
    for (int64_t i = 0; i < n; i++) {
        encode_options how = {.add_special = true, .trust_special = true};
        TRY(encoder_run(m->tokens.encoder, texts[i], (int64_t)strlen(texts[i]), how, ids));
        ends[i] = ids->count;
    }
    for (int64_t i = 0, from = 0; i < n; from = ends[i++])
        each[i] = (embedder_text){ids->ids + from, ends[i] - from};
    return embedder_run(m->embedder, each, n, out);
}

hone_status hone_embed(hone_model *m, const char *const *texts, int64_t n, float *out) {
    arena mem = arena_make(m->h->cx);
    token_list ids = {.cx = m->h->cx};
    status st = embed(m, &mem, &ids, texts, n, out);
    token_free(&ids);
    arena_free(&mem);
    return status_public(st);
}
