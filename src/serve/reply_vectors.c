/* The answer of /v1/embeddings (serve/reply.h): numbers, or the bytes of little-endian floats in base64 (RFC 4648). */
#include "serve/reply.h"
#include <string.h>

static status put_base64(json_writer *w, context *cx, const char *bytes, int64_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int64_t length = (n + 2) / 3 * 4;
    char *out = context_alloc(cx, (size_t)length), *at = out;
    if (!out) return STATUS_NO_MEMORY;
    for (int64_t i = 0; i < n; i += 3) {
        uint32_t group = 0;
        for (int64_t k = 0; k < 3; k++)
            group = group << 8 | (i + k < n ? (unsigned char)bytes[i + k] : 0);
        for (int shift = 18; shift >= 0; shift -= 6) *at++ = digits[group >> shift & 63];
    }
    for (int64_t k = 0; k < (3 - n % 3) % 3; k++) at[-1 - k] = '=';
    json_write_text(w, out, length);
    context_release(cx, out);
    return STATUS_OK;
}

static status put_vector(json_writer *w, const job_choice *c, int64_t width) {
    const job *j = c->of;
    json_write_object(w);
    json_write_string_field(w, "object", "embedding");
    json_write_integer_field(w, "index", c->index);
    json_write_key(w, "embedding");
    if (j->q.base64) {
        TRY(put_base64(w, j->cx, c->content.bytes, c->content.length));
    } else {
        json_write_array(w);
        for (int64_t i = 0; i < width; i++) {
            float x;
            memcpy(&x, c->content.bytes + i * (int64_t)sizeof x, sizeof x);
            json_write_number(w, (double)x);
        }
        json_write_array_end(w);
    }
    json_write_object_end(w);
    return STATUS_OK;
}

void reply_vectors(job *j, int64_t width) {
    status st = STATUS_OK;
    json_writer w = json_writer_to_buffer(j->cx, 0);
    json_write_object(&w);
    json_write_string_field(&w, "object", "list");
    json_write_string_field(&w, "model", j->world->model);
    json_write_key(&w, "data");
    json_write_array(&w);
    for (int32_t i = 0; st == STATUS_OK && i < j->n_choices; i++)
        st = put_vector(&w, &j->choices[i], width);
    json_write_array_end(&w);
    json_write_key(&w, "usage");
    json_write_object(&w);
    json_write_integer_field(&w, "prompt_tokens", j->prompt_tokens);
    json_write_integer_field(&w, "total_tokens", j->prompt_tokens);
    json_write_object_end(&w);
    json_write_object_end(&w);
    if (st == STATUS_OK) {
        reply_json(j->x, 200, &w);
        return;
    }
    json_writer_free(&w);
    reply_error(j->x, &(api_problem){503, "not enough memory for this request", NULL});
}
