/*
 * devices/net/offload.h: what a network card computes for its driver: checksums (RFC 1071) and
 * the cutting of long TCP segments (virtio 1.2 5.1.6.2). All lengths come from the guest.
 */
#ifndef DEVICES_NET_OFFLOAD_H
#define DEVICES_NET_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sum of bytes start..len, written at start + offset. false: that lies outside of the frame. */
bool net_checksum(uint8_t *frame, size_t len, size_t start, size_t offset);

/* An unfragmented IPv4 or IPv6 frame whose TCP or UDP checksum is there and right. */
bool net_checksum_is_right(const uint8_t *frame, size_t len);

/* Cut a TCP frame (IPv4 or IPv6, with or without VLAN tag) into frames with at most mss bytes of
 * data each; headers and checksums are made for each. `scratch` has room for frame_max bytes.
 * false: no such frame, or the pieces would be too long. */
bool net_segment(const uint8_t *frame, size_t len, bool v6, unsigned mss, uint8_t *scratch,
                 size_t frame_max, void (*emit)(void *opaque, uint8_t *frame, size_t len),
                 void *opaque);

#endif
