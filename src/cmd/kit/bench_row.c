/* Printing what was measured. */
#include "base/json_write.h"
#include "cmd/kit/bench.h"

static status put_json(context *cx, FILE *out, const bench_row *r, int threads, bool peers) {
    json_writer w = json_writer_to_file(cx, out, 0);
    json_write_object(&w);
    json_write_string_field(&w, "name", r->name);
    json_write_string_field(&w, "case", r->text);
    json_write_integer_field(&w, "threads", threads);
    json_write_number_field(&w, "value", r->result.value);
    json_write_string_field(&w, "unit", r->unit);
    json_write_number_field(&w, "roof", r->result.roof);
    json_write_number_field(&w, "share", r->result.share);
    if (r->result.most > 0) json_write_number_field(&w, "most", r->result.most);
    if (peers && r->result.ratio > 0) {
        json_write_string_field(&w, "peer", r->result.peer);
        json_write_number_field(&w, "peer_value", r->result.peer_value);
        json_write_number_field(&w, "ratio", r->result.ratio);
    }
    json_write_object_end(&w);
    return json_writer_finish(&w);
}

status bench_put(context *cx, FILE *out, const bench_row *r, int threads, bool json, bool peers) {
    if (json) return put_json(cx, out, r, threads, peers);
    fprintf(out, "%-24s %-16s %2d %10.3f %-8s %9.2f %5.2f", r->name, r->text, threads,
            r->result.value, r->unit, r->result.roof, r->result.share);
    if (peers && r->result.ratio > 0)
        fprintf(out, "   %s %.2f, ratio %.2f", r->result.peer, r->result.peer_value,
                r->result.ratio);
    fprintf(out, "\n");
    fflush(out);
    return STATUS_OK;
}
