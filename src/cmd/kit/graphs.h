/* Example graphs for looking inside: `hone explain NAME`. */
#ifndef CMD_KIT_GRAPHS_H
#define CMD_KIT_GRAPHS_H

#include "graph/graph.h"

typedef struct example_graph {
    const char *name, *help;
    void (*build)(graph *g);
} example_graph;

/* Blocks with grouped attention over ragged sequences, each a region of the graph. */
void example_transformer(graph *g, int blocks, double dropout);

/* Closed by {0}. Each marks a loss over parameters. */
extern const example_graph example_graphs[];

#endif
