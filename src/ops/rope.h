/* Rotary positions (Su et al., RoFormer): in each head the first `rotary` elements are taken in
 * pairs, and pair j of a row at position p is turned by the angle p * frequency[j] and multiplied
 * by `scale`. All published scalings of the frequencies (linear, NTK, YaRN, Llama 3) are thus data;
 * YaRN's factor of attention is `scale`. */
#ifndef OPS_ROPE_H
#define OPS_ROPE_H

#include "graph/op.h"

typedef struct rope_params {
    int32_t head;     /* head size; the columns of x are whole heads */
    int32_t rotary;   /* even, at most `head`; the rest of each head stays as it is */
    bool interleaved; /* pairs are neighbours (2j, 2j + 1), else halves (j, j + rotary / 2) */
    bool back;        /* turns the other way: the gradient */
    double scale;
} rope_params;

enum {
    ROPE_X,
    ROPE_POSITIONS,
    ROPE_FREQUENCIES
}; /* [tokens, heads * head], i32 [tokens], [rotary / 2] */

value build_rope(graph *g, const rope_params *p, value x, value positions, value frequencies);
extern const op_def op_rope;

#endif
