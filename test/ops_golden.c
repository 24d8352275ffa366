/* Ops against what JAX and optax computed in double (tool/goldens/ops.py, which also tells the
 * format). */
#include "test.h"
#include "kit/interpret.h"
#include <math.h>
#include <stdio.h>

enum { WORDS = 64, MOST = 4096 };

typedef struct golden {
    char op[WORDS];
    sample s; /* holds the operands as inputs */
    value in[MAX_IN];
    int32_t n_in;
    double params[64]; /* of any op; aligned for each of their fields */
} golden;

static bool read_params(FILE *f, const op_def *op, void *params) {
    int count = 0;
    if (fscanf(f, " params %d", &count) != 1) return false;
    for (int i = 0; i < count; i++) {
        char name[WORDS];
        double number;
        if (fscanf(f, "%63s %lf", name, &number) != 2) return false;
        const field *to = op->fields;
        while (to && to->name && strcmp(to->name, name)) to++;
        if (!to || !to->name) return false;
        void *at = (char *)params + to->offset;
        switch (to->kind) {
        case FIELD_INT32:
            *(int32_t *)at = (int32_t)number;
            break;
        case FIELD_INT64:
            *(int64_t *)at = (int64_t)number;
            break;
        case FIELD_DOUBLE:
            *(double *)at = number;
            break;
        case FIELD_BOOL:
            *(bool *)at = number != 0;
            break;
        default:
            return false;
        }
    }
    return true;
}

/* One operand: its kind ('-', 'f' or 'i'), shape and contents; 0 on malformed text. */
static char read_tensor(FILE *f, int32_t *rank, int64_t *dim, double *numbers, int64_t *count) {
    char kind;
    if (fscanf(f, " %c", &kind) != 1) return 0;
    *count = 0;
    if (kind == '-') return kind;
    if (fscanf(f, "%d", rank) != 1 || *rank > MAX_RANK) return 0;
    *count = 1;
    for (int32_t d = 0; d < *rank; d++) {
        long long n;
        if (fscanf(f, "%lld", &n) != 1) return 0;
        *count *= dim[d] = n;
    }
    if (*count > MOST) return 0;
    for (int64_t i = 0; i < *count; i++)
        if (fscanf(f, "%lf", &numbers[i]) != 1) return 0;
    return kind;
}

static bool read_operands(FILE *f, golden *c) {
    if (fscanf(f, " operands %d", &c->n_in) != 1 || c->n_in > MAX_IN) return false;
    for (int32_t i = 0; i < c->n_in; i++) {
        double numbers[MOST];
        int64_t dim[MAX_RANK], count;
        int32_t rank = 0;
        char kind = read_tensor(f, &rank, dim, numbers, &count);
        c->in[i] = NO_VALUE;
        if (!kind) return false;
        if (kind == '-') continue;
        c->in[i] =
            kind == 'i' ? sample_ids(&c->s, rank, dim, 1) : sample_floats(&c->s, rank, dim, 0, 1);
        sample_input *to = &c->s.inputs[c->s.n_inputs - 1];
        for (int64_t k = 0; k < count; k++) {
            if (kind == 'i')
                to->ids[k] = (int64_t)numbers[k];
            else
                to->numbers[k] = numbers[k];
        }
    }
    return true;
}

/* Largest distance of the outputs from those read, relative to 1 + their size; negative:
 * malformed. */
static double distance(FILE *f, const interpretation *run, value y, double spoil) {
    int count_out;
    double most = 0;
    if (fscanf(f, " outputs %d", &count_out) != 1 || count_out > value_node(run->g, y)->n_out)
        return -1;
    for (int32_t o = 0; o < count_out; o++) {
        double want[MOST];
        int64_t dim[MAX_RANK], count;
        int32_t rank = 0;
        const tensor *got = interpret_at(run, (value){y.node, o});
        char kind = read_tensor(f, &rank, dim, want, &count);
        if (!kind || rank != got->rank || count != interpret_count(run, (value){y.node, o}))
            return -1;
        for (int64_t k = 0; k < count; k++) {
            double is;
            if (kind == 'i') {
                int64_t id;
                got->format->unpack_index(got->data, k, 1, &id);
                is = (double)id;
            } else {
                is = ((double *)got->data)[k] + spoil;
            }
            most = fmax(most, isfinite(is) ? fabs(is - want[k]) / (1 + fabs(want[k])) : INFINITY);
        }
    }
    return most;
}

static void check_case(test *t, FILE *f, const char *name, double spoil) {
    context *cx = context_new();
    golden c = {.s = {.g = graph_new(cx)}};
    const op_def *op = op_find(name);
    CHECK(t, op, "there is no op %s", name);
    CHECK(t, read_params(f, op, c.params) && read_operands(f, &c), "%s: malformed", name);
    for (; c.n_in < op->n_in; c.n_in++) c.in[c.n_in] = NO_VALUE;
    value y = graph_add(c.s.g, op, c.params, c.n_in, c.in);
    CHECK_OK(t, cx, graph_status(c.s.g));
    interpretation run;
    CHECK_OK(t, cx, interpret_begin(c.s.g, NULL, &run));
    interpret_bind(&run, &c.s);
    interpret_run(&run, 0, c.s.g->n_nodes);
    double d = distance(f, &run, y, spoil);
    CHECK(t, d >= 0, "%s: malformed outputs", name);
    CHECK(t, (d < 1e-12) == !spoil, "%s is off by %g", name, d);
    interpret_end(&run);
    graph_free(c.s.g);
    context_free(cx);
}

static void against(test *t, double spoil) {
    FILE *f = fopen("test/golden/ops.txt", "r");
    CHECK(t, f, "no test/golden/ops.txt here");
    char name[WORDS];
    int cases = 0;
    while (fscanf(f, " op %63s", name) == 1) {
        check_case(t, f, name, spoil);
        cases++;
    }
    CHECK(t, feof(f) && cases > 40, "only %d cases were read", cases);
    fclose(f);
}

static void goldens(test *t) {
    against(t, 0);
}

/* Numbers moved a little must be seen. */
static void golden_control(test *t) {
    against(t, 1e-6);
}

const test_case suite_ops_golden[] = {
    {"goldens", goldens}, {"golden_control", golden_control}, {0}};
