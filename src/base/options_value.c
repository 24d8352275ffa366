/* Values from text. A size is a number and a unit: K M G T (and KiB ...) are powers of 1024, KB MB GB TB of
 * 1000. A duration is a sum of numbers with us, ms, s, m, h, d; a bare number is seconds. */
#include "base/options.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool options_double_from(const char *text, double *out) {
    char *end;
    if (!*text || strspn(text, " \t\n") > 0) return false;
    double n = strtod(text, &end);
    if (*end || isnan(n) || isinf(n)) return false;
    *out = n;
    return true;
}

/* A double with thousands counted: 20B. */
bool options_count_from(const char *text, double *out) {
    static const char letters[] = "kMBT";
    char digits[32], *letter = NULL;
    size_t n = strlen(text);
    if (n > 1 && n < sizeof digits) letter = strchr(letters, text[n - 1]);
    if (!letter) return options_double_from(text, out);
    snprintf(digits, sizeof digits, "%.*s", (int)(n - 1), text);
    if (!options_double_from(digits, out)) return false;
    *out *= pow(1000, (double)(letter - letters + 1));
    return isfinite(*out);
}

bool options_int_from(const char *text, int64_t *out) {
    char *end;
    if (!*text || strspn(text, " \t\n") > 0) return false;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (*end == 0 && errno == 0) {
        *out = n;
        return true;
    }
    double d;
    if (!strpbrk(text, "eE") || !options_double_from(text, &d)) return false;
    if (d != floor(d) || fabs(d) > 0x1p53) return false;
    *out = (int64_t)d;
    return true;
}

static bool unit_bytes(const char *unit, double *out) {
    static const char letters[] = "KMGTP";
    *out = 1;
    if (!*unit || !strcasecmp(unit, "B")) return true;
    const char *letter = strchr(letters, *unit >= 'a' ? *unit - 'a' + 'A' : *unit);
    if (!letter) return false;
    bool decimal = !strcasecmp(unit + 1, "B");
    if (!decimal && unit[1] && strcasecmp(unit + 1, "iB") != 0) return false;
    *out = pow(decimal ? 1000 : 1024, (double)(letter - letters + 1));
    return true;
}

bool options_size_from(const char *text, int64_t *out) {
    char *end;
    double n, unit;
    if (options_int_from(text, out)) return *out >= 0;
    if (*text < '0' || *text > '9') return false;
    n = strtod(text, &end);
    while (*end == ' ') end++;
    if (!unit_bytes(end, &unit) || !(n * unit < 0x1p63) || n < 0) return false;
    *out = (int64_t)(n * unit);
    return true;
}

bool options_seconds_from(const char *text, double *out) {
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    double sum = 0;
    if (options_double_from(text, out)) return *out >= 0;
    if (!*text) return false;
    while (*text) {
        char *end;
        if ((*text < '0' || *text > '9') && *text != '.') return false;
        double n = strtod(text, &end);
        if (end == text) return false;
        size_t length = strcspn(end, "0123456789. ");
        int64_t u = 0;
        while (u < COUNT_OF(units) &&
               (strlen(units[u].name) != length || strncmp(units[u].name, end, length) != 0))
            u++;
        if (u == COUNT_OF(units)) return false;
        sum += n * units[u].seconds;
        text = end + length;
        while (*text == ' ') text++;
    }
    if (!isfinite(sum)) return false;
    *out = sum;
    return true;
}

/* Edits (insert, delete, replace, swap neighbours) from a to b; Damerau 1964. */
static int64_t edits(const char *a, const char *b) {
    enum { LONGEST = 64 };
    int64_t n = (int64_t)strlen(a), m = (int64_t)strlen(b);
    if (n >= LONGEST || m >= LONGEST) return LONGEST;
    int64_t d[LONGEST][LONGEST];
    for (int64_t i = 0; i <= n; i++) d[i][0] = i;
    for (int64_t j = 0; j <= m; j++) d[0][j] = j;
    for (int64_t i = 1; i <= n; i++) {
        for (int64_t j = 1; j <= m; j++) {
            int64_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = MIN_OF(best, d[i - 1][j] + 1);
            best = MIN_OF(best, d[i][j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN_OF(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    }
    return d[n][m];
}

const char *options_nearest(const char *word, const char *const *names, int64_t count) {
    const char *nearest = NULL;
    int64_t length = (int64_t)strlen(word), least = 1 + MAX_OF(length < 4 ? 1 : 2, length / 3);
    for (int64_t i = 0; i < count; i++) {
        int64_t n = edits(word, names[i]);
        bool begins = length >= 3 && !strncmp(names[i], word, (size_t)length);
        if (begins) n = 1;
        if (n < least && n < (int64_t)strlen(names[i])) {
            least = n;
            nearest = names[i];
        }
    }
    return nearest;
}
