# roms/hypervisor.elf: every source below hypervisor/, freestanding, linked at 1 MiB.
HV_SRCS := $(patsubst $(SRC)/%,%,$(sort $(wildcard $(SRC)/hypervisor/*/*.c $(SRC)/hypervisor/*/*.S)))
HV_OBJS := $(patsubst %,obj/guest/%.o,$(basename $(HV_SRCS)))
HV_LD := $(SRC)/hypervisor/boot/hypervisor.ld
GUEST_IMAGES += roms/hypervisor.elf

roms/hypervisor.elf: $(HV_OBJS) $(HV_LD)
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_LDFLAGS) -Wl,-T,$(HV_LD) -o $@ $(HV_OBJS)
