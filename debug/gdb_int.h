/*
 * gdb stub, private: connection (gdb_conn.c), packets (gdb.c), queries (gdb_query.c).
 */
#ifndef DEBUG_GDB_INT_H
#define DEBUG_GDB_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "debug/bp.h"
#include "debug/gdb.h"

#define GDB_PACKET 16384

struct gdb_conn {
    int listener;
    int fd; /* -1: no client */
    char *unlink_path;
    bool no_ack;
    /* receiving */
    uint8_t in[GDB_PACKET + 64];
    size_t in_len;
};

enum gdb_received { GDB_NOTHING, GDB_PACKET_READY, GDB_INTERRUPT, GDB_CLOSED };

int gdb_conn_listen(struct gdb_conn *c, const char *where, struct err *err);
void gdb_conn_close(struct gdb_conn *c); /* client and listener */
bool gdb_conn_accept(struct gdb_conn *c);
void gdb_conn_drop(struct gdb_conn *c); /* the client only */
bool gdb_conn_wait(struct gdb_conn *c, int timeout_ms);
/* Next packet (unescaped, NUL-terminated) into buf of GDB_PACKET + 1 bytes. */
enum gdb_received gdb_conn_receive(struct gdb_conn *c, char *buf, size_t *len);
void gdb_conn_send(struct gdb_conn *c, const char *data, size_t len);

struct gdb {
    struct gdb_conn conn;
    struct machine *machine;
    struct bp_set bps;
    bool stopped, frozen, killed, resuming;
    bool physical;                   /* qqemu.PhyMemMode */
    bool swbreak, hwbreak;           /* the client understands these stop reasons */
    unsigned thread_g;               /* LP that g, p, m mean */
    unsigned thread_c;               /* LP that s and c mean */
    unsigned step_lp;                /* LP that is stepping, or UINT32_MAX */
    uint64_t range_start, range_end; /* vCont;r */
    char last_stop[128];             /* answer to ? */
    char reply[GDB_PACKET + 16];
    size_t reply_len;
};

/* Building of the reply. */
void gdb_put(struct gdb *g, const char *text);
void gdb_putf(struct gdb *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gdb_put_hex(struct gdb *g, const uint8_t *bytes, size_t len);
void gdb_put_hex_text(struct gdb *g, const char *text);
bool gdb_hex_byte(const char *p, uint8_t *byte);
uint64_t gdb_hex_number(const char **p);

/* q and Q packets; the reply stays empty when unknown. */
void gdb_query(struct gdb *g, char *packet, size_t len);

#endif
