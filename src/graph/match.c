#include "graph/match.h"
#include <string.h>

/* How often a value of the new graph is read by the old graph's nodes, through what maps to it. */
static bool read_once(const rewriting *r, value from) {
    return r->uses[rewriting_slot(r, from)] == 1;
}

static bool match_value(const rewriting *r, const pattern *p, value v, phase at, match *found);

static bool match_operands(const rewriting *r, const pattern *p, const value *in, int32_t n_in,
                           phase at, bool swap, match *found) {
    for (int32_t i = 0; i < PATTERN_IN; i++) {
        if (!p->in[i]) continue;
        int32_t from = swap && i < 2 ? 1 - i : i;
        if (from >= n_in || !match_value(r, p->in[i], in[from], at, found)) return false;
    }
    return true;
}

static bool match_either(const rewriting *r, const pattern *p, const value *in, int32_t n_in,
                         phase at, match *found) {
    match before = *found;
    if (match_operands(r, p, in, n_in, at, false, found)) return true;
    *found = before;
    return p->commutes && n_in >= 2 && match_operands(r, p, in, n_in, at, true, found);
}

static bool match_value(const rewriting *r, const pattern *p, value v, phase at, match *found) {
    if (value_absent(v)) return false;
    if (p->op) {
        const node *n = value_node(r->to, v);
        if (n->op != p->op || n->phase != at || v.out != 0) return false;
        if (!match_either(r, p, n->in, n->n_in, at, found)) return false;
    }
    if (p->capture) found->at[p->capture] = v;
    return true;
}

bool match_node(const rewriting *r, const pattern *p, const node *n, match *found) {
    value in[MAX_IN];
    memset(found, 0, sizeof *found);
    if (n->op != p->op) return false;
    for (int32_t i = 0; i < n->n_in; i++) in[i] = rewriting_get(r, n->in[i]);
    for (int swap = 0; swap <= p->commutes; swap++) {
        if (!match_operands(r, p, in, n->n_in, n->phase, swap != 0, found)) continue;
        bool free_to_fold = true;
        for (int32_t i = 0; i < PATTERN_IN; i++) {
            int32_t from = swap && i < 2 ? 1 - i : i;
            if (p->in[i] && p->in[i]->once && !read_once(r, n->in[from])) free_to_fold = false;
        }
        if (free_to_fold) return true;
    }
    return false;
}
