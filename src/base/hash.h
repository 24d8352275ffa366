/* Three hashes. XXH64 (xxhash's algorithm, seed and results) finds corruption and keys tables at memory speed;
 * SHA-256 (FIPS 180-4) names contents in manifests and lineage; both take their input in pieces. CRC-32C (RFC 3720)
 * is what record files of others ask for. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/compiler.h"

uint64_t hash_xxh64(const void *data, size_t size_bytes, uint64_t seed);

typedef struct hash_xxh64_state {
    uint64_t lane[4], seed, total_bytes;
    uint8_t rest[32]; /* the first total_bytes % 32 are waiting */
} hash_xxh64_state;
void hash_xxh64_begin(hash_xxh64_state *s, uint64_t seed);
void hash_xxh64_add(hash_xxh64_state *s, const void *data, size_t size_bytes);
/* May be asked for at any time; more may be added after it. */
uint64_t hash_xxh64_value(const hash_xxh64_state *s);

uint32_t hash_crc32c(const void *data, size_t size_bytes);

enum { SHA256_BYTES = 32, SHA256_TEXT_BYTES = 65 };
typedef struct hash_sha256_state {
    uint32_t word[8];
    uint64_t total_bytes;
    uint8_t rest[64];
} hash_sha256_state;
void hash_sha256_begin(hash_sha256_state *s);
void hash_sha256_add(hash_sha256_state *s, const void *data, size_t size_bytes);
void hash_sha256_value(const hash_sha256_state *s, uint8_t out[SHA256_BYTES]);
void hash_sha256(const void *data, size_t size_bytes, uint8_t out[SHA256_BYTES]);
/* Lower-case hexadecimal. */
void hash_sha256_text(const uint8_t digest[SHA256_BYTES], char out[SHA256_TEXT_BYTES]);

#endif
