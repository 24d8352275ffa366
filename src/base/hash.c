/* XXH64: four lanes of multiply-rotate over 32-byte blocks, merged, then the tail by 8, 4 and 1 bytes and an
 * avalanche (xxhash_spec.md). SHA-256: FIPS 180-4, section 6.2. Words are read in their defined byte
 * order on any machine. */
#include "base/hash.h"
#include <string.h>

#define P1 UINT64_C(0x9e3779b185ebca87)
#define P2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define P3 UINT64_C(0x165667b19e3779f9)
#define P4 UINT64_C(0x85ebca77c2b2ae63)
#define P5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t rotate64(uint64_t x, int n) {
    return x << n | x >> (64 - n);
}

static uint32_t little32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t little64(const uint8_t *p) {
    return (uint64_t)little32(p) | (uint64_t)little32(p + 4) << 32;
}

static uint64_t mix(uint64_t lane, uint64_t word) {
    return rotate64(lane + word * P2, 31) * P1;
}

static void mix_blocks(uint64_t lane[4], const uint8_t *data, size_t blocks) {
    uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];
    for (; blocks; blocks--, data += 32) {
        a = mix(a, little64(data));
        b = mix(b, little64(data + 8));
        c = mix(c, little64(data + 16));
        d = mix(d, little64(data + 24));
    }
    lane[0] = a, lane[1] = b, lane[2] = c, lane[3] = d;
}

void hash_xxh64_begin(hash_xxh64_state *s, uint64_t seed) {
    *s = (hash_xxh64_state){.lane = {seed + P1 + P2, seed + P2, seed, seed - P1}, .seed = seed};
}

void hash_xxh64_add(hash_xxh64_state *s, const void *data, size_t size_bytes) {
    const uint8_t *from = data;
    size_t waiting = s->total_bytes % sizeof s->rest;
    s->total_bytes += size_bytes;
    if (waiting) {
        size_t n = MIN_OF(sizeof s->rest - waiting, size_bytes);
        memcpy(s->rest + waiting, from, n);
        if (waiting + n < sizeof s->rest) return;
        mix_blocks(s->lane, s->rest, 1);
        from += n;
        size_bytes -= n;
    }
    mix_blocks(s->lane, from, size_bytes / 32);
    if (size_bytes % 32) memcpy(s->rest, from + size_bytes / 32 * 32, size_bytes % 32);
}

uint64_t hash_xxh64_value(const hash_xxh64_state *s) {
    const uint64_t *v = s->lane;
    const uint8_t *tail = s->rest;
    size_t left = s->total_bytes % sizeof s->rest;
    uint64_t h = s->seed + P5;
    if (s->total_bytes >= sizeof s->rest) {
        h = rotate64(v[0], 1) + rotate64(v[1], 7) + rotate64(v[2], 12) + rotate64(v[3], 18);
        for (int i = 0; i < 4; i++) h = (h ^ mix(0, v[i])) * P1 + P4;
    }
    h += s->total_bytes;
    for (; left >= 8; left -= 8, tail += 8) h = rotate64(h ^ mix(0, little64(tail)), 27) * P1 + P4;
    if (left >= 4) {
        h = rotate64(h ^ little32(tail) * P1, 23) * P2 + P3;
        left -= 4, tail += 4;
    }
    for (; left; left--, tail++) h = rotate64(h ^ *tail * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}

uint64_t hash_xxh64(const void *data, size_t size_bytes, uint64_t seed) {
    hash_xxh64_state s;
    hash_xxh64_begin(&s, seed);
    hash_xxh64_add(&s, data, size_bytes);
    return hash_xxh64_value(&s);
}

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate32(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

static void sha_block(uint32_t word[8], const uint8_t *data) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++, data += 4)
        w[i] = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate32(w[i - 15], 7) ^ rotate32(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate32(w[i - 2], 17) ^ rotate32(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, word, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate32(v[4], 6) ^ rotate32(v[4], 11) ^ rotate32(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
        uint32_t s0 = rotate32(v[0], 2) ^ rotate32(v[0], 13) ^ rotate32(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) word[i] += v[i];
}

void hash_sha256_begin(hash_sha256_state *s) {
    *s = (hash_sha256_state){.word = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                      0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void hash_sha256_add(hash_sha256_state *s, const void *data, size_t size_bytes) {
    const uint8_t *from = data;
    size_t waiting = s->total_bytes % sizeof s->rest;
    s->total_bytes += size_bytes;
    if (waiting) {
        size_t n = MIN_OF(sizeof s->rest - waiting, size_bytes);
        memcpy(s->rest + waiting, from, n);
        if (waiting + n < sizeof s->rest) return;
        sha_block(s->word, s->rest);
        from += n;
        size_bytes -= n;
    }
    for (; size_bytes >= 64; size_bytes -= 64, from += 64) sha_block(s->word, from);
    if (size_bytes) memcpy(s->rest, from, size_bytes);
}

void hash_sha256_value(const hash_sha256_state *s, uint8_t out[SHA256_BYTES]) {
    uint32_t word[8];
    uint8_t last[128] = {0};
    size_t left = s->total_bytes % 64, end = left < 56 ? 64 : 128;
    memcpy(word, s->word, sizeof word);
    memcpy(last, s->rest, left);
    last[left] = 0x80;
    for (int i = 0; i < 8; i++) last[end - 1 - (size_t)i] = (uint8_t)(s->total_bytes * 8 >> 8 * i);
    sha_block(word, last);
    if (end == 128) sha_block(word, last + 64);
    for (int i = 0; i < SHA256_BYTES; i++) out[i] = (uint8_t)(word[i / 4] >> (24 - i % 4 * 8));
}

void hash_sha256(const void *data, size_t size_bytes, uint8_t out[SHA256_BYTES]) {
    hash_sha256_state s;
    hash_sha256_begin(&s);
    hash_sha256_add(&s, data, size_bytes);
    hash_sha256_value(&s, out);
}

void hash_sha256_text(const uint8_t digest[SHA256_BYTES], char out[SHA256_TEXT_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_BYTES; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * SHA256_BYTES] = 0;
}

uint32_t hash_crc32c(const void *data, size_t size_bytes) {
    const uint8_t *at = data;
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}
