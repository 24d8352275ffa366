/* Any bytes as a tokenizer.json. */
#include "kit/use_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tokenizer_fuzz(tokenizer_open_json, data, size);
    return 0;
}
