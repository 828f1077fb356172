/*
 * cpu/fpu/crypto.h: private to cpu/fpu: what the legacy and VEX forms of AES, PCLMULQDQ and SHA
 * have in common. Blocks are 16 bytes in the order of memory.
 */
#ifndef CPU_FPU_CRYPTO_H
#define CPU_FPU_CRYPTO_H

#include <stdint.h>

/* one round in place */
void aes_enc(uint8_t s[16], const uint8_t key[16]);
void aes_enc_last(uint8_t s[16], const uint8_t key[16]);
void aes_dec(uint8_t s[16], const uint8_t key[16]);
void aes_dec_last(uint8_t s[16], const uint8_t key[16]);
void aes_imc(uint8_t s[16]);
/* out must not be src */
void aes_keygen(uint8_t out[16], const uint8_t src[16], uint8_t rcon);
void clmul(uint64_t out[2], uint64_t a, uint64_t b);

#endif
