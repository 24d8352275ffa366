#include "infer/drawn.h"

status drawn_submit(engine *e, int64_t vocabulary, int64_t prompt, int64_t answer, uint64_t seed) {
    int32_t ids[DRAWN_MOST_PROMPT];
    uint64_t id;
    prompt = MIN_OF(prompt, DRAWN_MOST_PROMPT);
    for (int64_t i = 0; i < prompt; i++)
        ids[i] = (int32_t)((uint64_t)(i * 7919 + 13) * (seed + 1) % (uint64_t)vocabulary);
    engine_request r = {.prompt = ids,
                        .n_prompt = prompt,
                        .most_tokens = answer,
                        .sampling = SAMPLING_PLAIN,
                        .ignore_end = true};
    r.sampling.temperature = 0;
    return engine_submit(e, &r, &id);
}

status drawn_drain(engine *e) {
    while (engine_busy(e)) TRY(engine_step(e));
    return STATUS_OK;
}
