# roms/child.elf: the tiny child and its boot stub.
CHILD_OBJS := obj/guest/roms/ch_boot.o $(patsubst $(SRC)/%.c,obj/guest/%.o,$(sort $(wildcard $(SRC)/partitions/child/*.c))) \
	obj/guest/vmbus/ring.o obj/guest/vmbus/client/client.o
CHILD_LD := $(SRC)/partitions/child/child.ld
GUEST_IMAGES += roms/child.elf

roms/child.elf: $(CHILD_OBJS) $(CHILD_LD)
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_LDFLAGS) -Wl,-T,$(CHILD_LD) -o $@ $(CHILD_OBJS)
