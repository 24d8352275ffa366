/* Finding a format by name, and reading or writing any real format in double. Rounding a double to
 * float and that to 16 bits would round twice; so the step through float rounds to odd (the last
 * bit set where anything was lost), after which the format's own rounding is that of the double
 * itself (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms
 * using rounding to odd"). Rows go through a strip of floats, so a format with a row head, which
 * must see its whole row to pack it, has its own pack_f64. */
#include "num/num.h"
#include "num/kit/half.h"

enum { STRIP = 512 }; /* no format has longer blocks */

const num_format *num_at(int64_t index) {
    int64_t i = 0;
    while (registry_format[i] && i < index) i++;
    if (registry_format[i]) return registry_format[i];
    for (int64_t f = 0; registry_format_family[f]; f++)
        for (const num_format *at = registry_format_family[f]; at->name; at++, i++)
            if (i == index) return at;
    return NULL;
}

const num_format *num_find(const char *name) {
    for (int64_t i = 0; registry_format[i]; i++)
        if (!strcmp(registry_format[i]->name, name)) return registry_format[i];
    for (int64_t f = 0; registry_format_family[f]; f++)
        for (const num_format *at = registry_format_family[f]; at->name; at++)
            if (!strcmp(at->name, name)) return at;
    return NULL;
}

void num_unpack_f64(const num_format *f, const void *row, int64_t first, int64_t count,
                    double *out) {
    if (f->unpack_f64) {
        f->unpack_f64(row, first, count, out);
        return;
    }
    float strip[STRIP];
    int64_t step = STRIP / f->block_elems * f->block_elems;
    for (int64_t done = 0; done < count; done += step) {
        int64_t n = MIN_OF(step, count - done);
        f->unpack(row, first + done, n, strip);
        for (int64_t i = 0; i < n; i++) out[done + i] = (double)strip[i];
    }
}

void num_pack_f64(const num_format *f, const double *in, int64_t count, void *row) {
    if (f->pack_f64) {
        f->pack_f64(in, count, row);
        return;
    }
    float strip[STRIP];
    int64_t step = STRIP / f->block_elems * f->block_elems;
    for (int64_t done = 0; done < count; done += step) {
        int64_t n = MIN_OF(step, count - done);
        for (int64_t i = 0; i < n; i++) strip[i] = half_round_to_odd(in[done + i]);
        f->pack(strip, n, (char *)row + done / f->block_elems * f->block_bytes);
    }
}
