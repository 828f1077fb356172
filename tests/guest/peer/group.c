/*
 * tests/guest/peer/group.c: two machines of one process on one hub, run in step.
 *     group peer.elf first|second      which of them is run first in each window
 * Prints how each ended and the state hashes of both.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "devices/net/virtio_net.h"
#include "lib/err.h"
#include "lib/file.h"
#include "machine/machine.h"

#define LIMIT_NS 2000000000ull

int main(int argc, char **argv)
{
    struct file kernel;
    struct err err;
    struct net_hub *const hub = net_hub_new();
    struct net_card_config card[2];
    struct machine *m[2], *order[2];
    const bool swapped = argc > 2 && strcmp(argv[2], "second") == 0;
    unsigned running = 2;
    int failed = 0;
    err_clear(&err);
    if (argc < 3 || file_read(&kernel, argv[1], 1 << 20, &err) < 0)
        return 2;
    for (unsigned i = 0; i < 2; i++) {
        card[i] = (struct net_card_config){.mac = {2, 0, 0, 0, 0, (uint8_t)(i + 1)},
                                           .backend = net_hub_port(hub)};
        const struct machine_config cfg = {.memory = 16 << 20,
                                           .smp = 1,
                                           .kernel = kernel.data,
                                           .kernel_len = kernel.size,
                                           .kernel_name = argv[1],
                                           .cmdline = "",
                                           .nics = &card[i],
                                           .nic_count = 1};
        m[i] = machine_new(&cfg, &err);
        if (!m[i]) {
            err_print(&err);
            return 1;
        }
        order[i != swapped] = m[i];
    }
    while (running) {
        enum machine_stop why;
        const int i = machine_run_together(order, running, NET_HUB_LATENCY_NS, LIMIT_NS, &why);
        if (i < 0 || why != MACHINE_STOP_EXIT) {
            printf("machine %d stopped: %d\n", i, why);
            failed = 1;
            break;
        }
        printf("%s: exit %u\n", order[i] == m[0] ? "caller" : "answerer",
               machine_exit_value(order[i]));
        failed |= machine_exit_value(order[i]) != 0;
        if (i == 0)
            order[0] = order[1];
        running--;
    }
    for (unsigned i = 0; i < 2; i++)
        printf("hash %016" PRIx64 " at %" PRIu64 "\n", machine_hash(m[i]), machine_icount(m[i]));
    for (unsigned i = 0; i < 2; i++) {
        machine_free(m[i]);
        net_backend_free(card[i].backend);
    }
    net_hub_free(hub);
    file_free(&kernel);
    return failed;
}
