/*
 * vmbus/vsp/netvsp/control.c: what the guest asks of its card by RNDIS: INITIALIZE, QUERY and SET
 * of object identifiers, KEEPALIVE, RESET, HALT.
 *
 * Guests judge the answer to a query by its length, not by its status: what is not supported has
 * none. The address is the host's to give: OID_GEN_RNDIS_CONFIG_PARAMETER, by which a guest asks
 * for another, fails.
 *
 * Not modelled: multicast lists (all groups are let through), jumbo frames, wake-up patterns.
 */
#include <string.h>

#include "vmbus/vsp/netvsp/netvsp_int.h"

#define MAX_TRANSFER 0x4000u    /* bytes of a message with several frames */
#define ALIGNMENT    3u         /* of frames in it: 8 bytes */
#define LINK_SPEED   100000000u /* 10 Gbit/s */
#define INFO_MAX     (NETVSP_REPLY - (uint32_t)sizeof(struct rndis_query_complete))

/* ---- queries ---- */
struct oid {
    uint32_t oid;
    uint32_t value;                                       /* the answer, when there is no get() */
    uint32_t (*get)(const struct netvsp *v, uint8_t *to); /* the answer's length */
};

static uint32_t put(uint8_t *to, const void *from, uint32_t n)
{
    memcpy(to, from, n);
    return n;
}

static uint32_t get_list(const struct netvsp *v, uint8_t *to);

static uint32_t get_mac(const struct netvsp *v, uint8_t *to)
{
    return put(to, v->port.mac, sizeof(v->port.mac));
}

static uint32_t get_filter(const struct netvsp *v, uint8_t *to)
{
    return put(to, &v->filter, sizeof(v->filter));
}

static uint32_t get_link(const struct netvsp *v, uint8_t *to)
{
    const uint32_t is_down = !v->port.is_linked;
    return put(to, &is_down, sizeof(is_down));
}

static uint32_t get_description(const struct netvsp *v, uint8_t *to)
{
    static const char text[] = "Vitrine virtual network card";
    (void)v;
    return put(to, text, sizeof(text));
}

static uint32_t get_sent(const struct netvsp *v, uint8_t *to)
{
    return put(to, &v->port.frames_in, 8);
}

static uint32_t get_received(const struct netvsp *v, uint8_t *to)
{
    return put(to, &v->port.frames_out, 8);
}

static uint32_t get_no_buffer(const struct netvsp *v, uint8_t *to)
{
    return put(to, &v->no_buffer, 8);
}

static uint32_t get_offload(const struct netvsp *v, uint8_t *to)
{
    const uint32_t csum = NDIS_CSUM_TCP_OPTIONS | NDIS_CSUM_TCP | NDIS_CSUM_UDP;
    const struct ndis_csum_caps csum4 = {
        NDIS_ENCAP_8023, csum | NDIS_CSUM_IP | NDIS_CSUM_IP_OPTIONS, NDIS_ENCAP_8023,
        csum | NDIS_CSUM_IP | NDIS_CSUM_IP_OPTIONS};
    const struct ndis_csum_caps csum6 = {NDIS_ENCAP_8023, csum | NDIS_CSUM_IP_OPTIONS,
                                         NDIS_ENCAP_8023, csum | NDIS_CSUM_IP_OPTIONS};
    const struct ndis_offload o = {.h = {NDIS_TYPE_OFFLOAD, 3, sizeof(o)},
                                   .csum4 = csum4,
                                   .csum6 = csum6,
                                   .lso4_encap = NDIS_ENCAP_8023,
                                   .lso4_max = NETVSP_LONG_MAX,
                                   .lso4_min_segments = 2,
                                   .lso6_encap = NDIS_ENCAP_8023,
                                   .lso6_max = NETVSP_LONG_MAX,
                                   .lso6_min_segments = 2,
                                   .lso6_options = NDIS_LSO6_EXTENSIONS | NDIS_LSO6_TCP_OPTIONS};
    (void)v;
    return put(to, &o, sizeof(o));
}

static uint32_t get_rss(const struct netvsp *v, uint8_t *to)
{
    const struct ndis_rss_capabilities c = {
        .h = {NDIS_TYPE_RSS_CAPABILITIES, 2, NDIS_RSS_CAPABILITIES_SIZE},
        .flags = NDIS_RSS_CAP_TCP4 | NDIS_RSS_CAP_TCP6 | NDIS_HASH_TOEPLITZ,
        .messages = NETVSP_CHANNELS,
        .queues = v->version >= NVSP_VERSION_5 ? NETVSP_CHANNELS : 1,
        .table_entries = NDIS_RSS_TABLE};
    return put(to, &c, NDIS_RSS_CAPABILITIES_SIZE);
}

static const struct oid oids[] = {
    {OID_GEN_SUPPORTED_LIST, 0, get_list},
    {OID_GEN_HARDWARE_STATUS, 0, 0}, /* ready */
    {OID_GEN_MEDIA_SUPPORTED, 0, 0}, /* 802.3 */
    {OID_GEN_MEDIA_IN_USE, 0, 0},
    {OID_GEN_MAXIMUM_FRAME_SIZE, NET_MTU, 0},
    {OID_GEN_LINK_SPEED, LINK_SPEED, 0},
    {OID_GEN_TRANSMIT_BLOCK_SIZE, NET_FRAME_MAX, 0},
    {OID_GEN_RECEIVE_BLOCK_SIZE, NET_FRAME_MAX, 0},
    {OID_GEN_VENDOR_ID, 0xffffff, 0}, /* none assigned */
    {OID_GEN_VENDOR_DESCRIPTION, 0, get_description},
    {OID_GEN_CURRENT_PACKET_FILTER, 0, get_filter},
    {OID_GEN_MAXIMUM_TOTAL_SIZE, NET_FRAME_MAX, 0},
    {OID_GEN_MEDIA_CONNECT_STATUS, 0, get_link},
    {OID_GEN_RECEIVE_SCALE_CAPABILITIES, 0, get_rss},
    {OID_GEN_XMIT_OK, 0, get_sent},
    {OID_GEN_RCV_OK, 0, get_received},
    {OID_GEN_RCV_NO_BUFFER, 0, get_no_buffer},
    {OID_802_3_PERMANENT_ADDRESS, 0, get_mac},
    {OID_802_3_CURRENT_ADDRESS, 0, get_mac},
    {OID_802_3_MAXIMUM_LIST_SIZE, 32, 0},
    {OID_TCP_OFFLOAD_CAPABILITIES, 0, get_offload},
};
#define OIDS (sizeof(oids) / sizeof(oids[0]))
_Static_assert(OIDS * 4 <= INFO_MAX, "OID_GEN_SUPPORTED_LIST");

static uint32_t get_list(const struct netvsp *v, uint8_t *to)
{
    (void)v;
    for (unsigned i = 0; i < OIDS; i++)
        put(to + 4 * i, &oids[i].oid, 4);
    return OIDS * 4;
}

static void query(struct netvsp *v, const struct rndis_request *r)
{
    uint8_t *const to = (uint8_t *)v->reply;
    struct rndis_query_complete a = {.h = {RNDIS_QUERY | RNDIS_COMPLETE, 0},
                                     .request = r->request,
                                     .status = RNDIS_STATUS_NOT_SUPPORTED,
                                     .offset = sizeof(a) - sizeof(a.h)};
    for (unsigned i = 0; i < OIDS; i++) {
        if (oids[i].oid != r->oid)
            continue;
        a.status = RNDIS_STATUS_SUCCESS;
        a.length = oids[i].get ? oids[i].get(v, to + sizeof(a))
                               : put(to + sizeof(a), &oids[i].value, sizeof(oids[i].value));
    }
    a.h.length = (uint32_t)sizeof(a) + a.length;
    memcpy(to, &a, sizeof(a));
    v->reply_length = a.h.length;
}

/* ---- sets ---- */
static uint32_t set(struct netvsp *v, uint32_t oid, const uint8_t *data, uint32_t n)
{
    switch (oid) {
    case OID_GEN_CURRENT_PACKET_FILTER:
        if (n != sizeof(v->filter))
            return RNDIS_STATUS_INVALID_LENGTH;
        memcpy(&v->filter, data, sizeof(v->filter));
        return RNDIS_STATUS_SUCCESS;
    case OID_802_3_MULTICAST_LIST:
        return n % 6 ? RNDIS_STATUS_INVALID_LENGTH : RNDIS_STATUS_SUCCESS;
    case OID_TCP_OFFLOAD_PARAMETERS: /* each packet says for itself what it wants */
        return n < sizeof(struct ndis_header) ? RNDIS_STATUS_INVALID_LENGTH : RNDIS_STATUS_SUCCESS;
    case OID_GEN_RECEIVE_SCALE_PARAMETERS:
        return netvsp_rss_set(&v->rss, data, n);
    case OID_GEN_RNDIS_CONFIG_PARAMETER:
        return RNDIS_STATUS_FAILURE;
    default:
        return RNDIS_STATUS_NOT_SUPPORTED;
    }
}

/* ---- messages ---- */
static void reply(struct netvsp *v, const void *answer, uint32_t n)
{
    memcpy(v->reply, answer, n);
    v->reply_length = n;
}

static void initialize(struct netvsp *v, uint32_t request)
{
    const struct rndis_initialize_complete a = {.h = {RNDIS_INITIALIZE | RNDIS_COMPLETE, sizeof(a)},
                                                .request = request,
                                                .major = 1,
                                                .flags = RNDIS_CONNECTIONLESS,
                                                .max_packets = NETVSP_PACKETS,
                                                .max_transfer = MAX_TRANSFER,
                                                .alignment = ALIGNMENT};
    v->is_initialized = true;
    v->told_link = v->port.is_linked;
    v->filter = 0;
    reply(v, &a, sizeof(a));
}

static void complete(struct netvsp *v, uint32_t type, uint32_t request, uint32_t status)
{
    const struct rndis_complete a = {{type | RNDIS_COMPLETE, sizeof(a)}, request, status};
    reply(v, &a, sizeof(a));
}

static bool query_or_set(struct netvsp *v, const uint8_t *message, uint32_t length)
{
    struct rndis_request r;
    if (length < sizeof(r))
        return false;
    memcpy(&r, message, sizeof(r));
    const uint32_t room = length - (uint32_t)sizeof(r.h);
    if (r.length && (r.offset > room || r.length > room - r.offset))
        return false;
    if (r.h.type == RNDIS_QUERY)
        query(v, &r);
    else
        complete(v, r.h.type, r.request,
                 set(v, r.oid, message + sizeof(r.h) + (r.length ? r.offset : 0), r.length));
    return true;
}

bool netvsp_control(struct netvsp *v, const uint8_t *message, uint32_t length)
{
    const struct rndis_reset_complete was_reset = {
        {RNDIS_RESET | RNDIS_COMPLETE, sizeof(was_reset)}, RNDIS_STATUS_SUCCESS, 1};
    struct rndis_header h;
    uint32_t request;
    if (length < sizeof(h) + sizeof(request))
        return false;
    memcpy(&h, message, sizeof(h));
    memcpy(&request, message + sizeof(h), sizeof(request));
    if (h.length < sizeof(h) + sizeof(request) || h.length > length)
        return false;
    if (!v->is_initialized && h.type != RNDIS_INITIALIZE && h.type != RNDIS_HALT)
        return false;
    switch (h.type) {
    case RNDIS_INITIALIZE:
        initialize(v, request);
        return true;
    case RNDIS_QUERY:
    case RNDIS_SET:
        return query_or_set(v, message, h.length);
    case RNDIS_KEEPALIVE:
        complete(v, h.type, request, RNDIS_STATUS_SUCCESS);
        return true;
    case RNDIS_RESET:
        v->filter = 0;
        reply(v, &was_reset, sizeof(was_reset));
        return true;
    case RNDIS_HALT:
        v->is_initialized = false;
        v->filter = 0;
        return true;
    default:
        return false;
    }
}
