# roms/selftest.elf: the program that `vitrine doctor` checks this host with.
GUEST_IMAGES += roms/selftest.elf

roms/selftest.elf: obj/guest/roms/selftest.o
	@mkdir -p $(@D)
	$(GUEST_CC) $(filter-out %gc-sections,$(GUEST_LDFLAGS)) -Wl,--section-start=.boot=0x100000 -Wl,-e,st_start -o $@ $<
