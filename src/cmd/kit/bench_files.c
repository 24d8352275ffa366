/* How long opening takes: files of 4 GiB with a head like a model's, whose values are a hole, made for it and removed
 * again; and reading a text like a tokenizer.json of 39 MB, token by token. */
#include "base/json.h"
#include "base/json_write.h"
#include "base/sort.h"
#include "base/time.h"
#include "cmd/kit/bench.h"
#include "store/modelfile.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TENSORS = 300, ROUNDS = 9, WORDS = 250000, MERGES = 480000 };
static const int64_t TENSOR_BYTES = ((int64_t)4 << 30) / TENSORS / 64 * 64;

static void put_u64(FILE *out, uint64_t v) {
    fwrite(&v, 8, 1, out);
}
static void put_u32(FILE *out, uint32_t v) {
    fwrite(&v, 4, 1, out);
}

static void write_gguf(FILE *out) {
    fwrite("GGUF\3\0\0\0", 8, 1, out);
    put_u64(out, TENSORS);
    put_u64(out, 0);
    for (int i = 0; i < TENSORS; i++) {
        char name[40];
        int n = snprintf(name, sizeof name, "blk.%d.ffn_up.weight", i);
        put_u64(out, (uint64_t)n);
        fwrite(name, 1, (size_t)n, out);
        put_u32(out, 2);
        put_u64(out, 32);
        put_u64(out, (uint64_t)TENSOR_BYTES / 64);
        put_u32(out, gguf_dtype_of_name("bf16")->id);
        put_u64(out, (uint64_t)(i * TENSOR_BYTES));
    }
    while (ftell(out) % GGUF_DEFAULT_ALIGNMENT) fputc(0, out);
}

static void write_safetensors(FILE *out) {
    put_u64(out, 0);
    for (int i = 0; i < TENSORS; i++)
        fprintf(out,
                "%s\"model.layers.%d.mlp.up_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[%lld,32],"
                "\"data_offsets\":[%lld,%lld]}",
                i ? "," : "{", i, (long long)TENSOR_BYTES / 64, (long long)(i * TENSOR_BYTES),
                (long long)((i + 1) * TENSOR_BYTES));
    fputc('}', out);
    int64_t end = ftell(out);
    rewind(out);
    put_u64(out, (uint64_t)end - 8);
    fseek(out, end, SEEK_SET);
}

static status time_opening(bench *b, const char *path, bench_result *out) {
    double seconds[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        modelfile m;
        double begin = time_seconds();
        TRY(modelfile_open(b->cx, path, &m));
        seconds[i] = time_seconds() - begin;
        modelfile_close(&m);
    }
    out->value = sort_median(seconds, ROUNDS) * 1e6;
    return STATUS_OK;
}

status bench_time_open(bench *b, const bench_case *c, bench_result *out) {
    bool gguf = strstr(c->name, "gguf") != NULL;
    const char *folder = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/hone-bench-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+b");
    if (!file) FAIL(b->cx, STATUS_IO, "'%s' cannot be made", path);
    if (gguf)
        write_gguf(file);
    else
        write_safetensors(file);
    fflush(file);
    bool whole = !ftruncate(fd, ftell(file) + TENSORS * TENSOR_BYTES) && !ferror(file);
    fclose(file);
    status st = whole ? time_opening(b, path, out)
                      : context_fail(b->cx, STATUS_IO, "'%s': no room for a hole of 4 GiB", path);
    unlink(path);
    return st;
}

static void write_words(json_writer *w) {
    char word[64];
    json_write_object(w);
    json_write_key(w, "vocab");
    json_write_object(w);
    for (int i = 0; i < WORDS; i++) {
        snprintf(word, sizeof word, "\u0120word%x\u00e9\"%d", i * 7919, i % 13);
        json_write_key(w, word);
        json_write_integer(w, i);
    }
    json_write_object_end(w);
    json_write_key(w, "merges");
    json_write_array(w);
    for (int i = 0; i < MERGES; i++) {
        json_write_array(w);
        snprintf(word, sizeof word, "\u0120left part %d", i);
        json_write_string(w, word);
        snprintf(word, sizeof word, "right of it \u0120%d and more", i * 3);
        json_write_string(w, word);
        json_write_array_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

static status read_tokens(context *cx, const json_writer *w) {
    json_token token = {.kind = JSON_NULL};
    json j = json_make(cx, "words", w->bytes, w->size, NULL);
    status st = STATUS_OK;
    while (st == STATUS_OK && token.kind != JSON_END) st = json_next(&j, &token);
    json_free(&j);
    return st;
}

status bench_time_json(bench *b, const bench_case *c, bench_result *out) {
    double seconds[ROUNDS];
    json_writer w = json_writer_to_buffer(b->cx, 0);
    write_words(&w);
    status st = json_writer_finish(&w);
    for (int i = 0; i < ROUNDS && st == STATUS_OK; i++) {
        double begin = time_seconds();
        st = read_tokens(b->cx, &w);
        seconds[i] = (time_seconds() - begin) * (double)c->m * 1e6 / (double)w.size;
    }
    if (st == STATUS_OK) out->value = sort_median(seconds, ROUNDS) * 1e6;
    json_writer_free(&w);
    return st;
}
