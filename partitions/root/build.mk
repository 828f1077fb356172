# roms/root.elf: the root kernel, at -2 GiB (code model kernel); roms/rootfs.cpio: its processes
# and the tiny child. The shared lib/ is compiled for each side.
RT := partitions/root
RT_KERN_SRCS := $(patsubst $(SRC)/%,%,$(sort $(foreach d,kern drv winhv vid lib,\
	$(wildcard $(SRC)/$(RT)/$d/*.c $(SRC)/$(RT)/$d/*.S))))
RT_KERN_OBJS := $(patsubst $(RT)/%,obj/guest/rt_kern/%.o,$(basename $(RT_KERN_SRCS)))
RT_VMBUS_SRCS := $(filter-out vmbus/client/%,$(patsubst $(SRC)/%,%,$(sort $(foreach d,$(VMBUS_DIRS),\
	$(wildcard $(SRC)/$d/*.c)))))
RT_KERN_OBJS += $(RT_VMBUS_SRCS:%.c=obj/guest/rt_kern/%.o)
RT_ULIB_OBJS := $(patsubst $(SRC)/$(RT)/%.c,obj/guest/rt_user/%.o,\
	$(sort $(wildcard $(SRC)/$(RT)/lib/*.c $(SRC)/$(RT)/user/*.c)))
RT_PROGRAMS := vmms vmwp
rt_program_objs = $(patsubst $(SRC)/$(RT)/%.c,obj/guest/rt_user/%.o,\
	$(sort $(wildcard $(SRC)/$(RT)/$1/*.c))) $(RT_ULIB_OBJS)
GUEST_IMAGES += roms/root.elf roms/rootfs.cpio

obj/guest/rt_kern/%.o: $(SRC)/$(RT)/%.c config.mk
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_CFLAGS) -mcmodel=kernel -MMD -MP -c -o $@ $<

obj/guest/rt_kern/vmbus/%.o: $(SRC)/vmbus/%.c config.mk
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_CFLAGS) -mcmodel=kernel -MMD -MP -c -o $@ $<

obj/guest/rt_kern/%.o: $(SRC)/$(RT)/%.S config.mk
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_CFLAGS) -mcmodel=kernel -MMD -MP -c -o $@ $<

obj/guest/rt_user/%.o: $(SRC)/$(RT)/%.c config.mk
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

roms/root.elf: $(RT_KERN_OBJS) $(SRC)/$(RT)/kern/root.ld
	@mkdir -p $(@D)
	$(GUEST_CC) $(GUEST_LDFLAGS) -Wl,-T,$(SRC)/$(RT)/kern/root.ld -o $@ $(RT_KERN_OBJS)

define rt_program_rules
obj/guest/rt_user/$1.elf: $(call rt_program_objs,$1) $(SRC)/$(RT)/user/user.ld
	$$(GUEST_CC) $$(GUEST_LDFLAGS) -Wl,-T,$(SRC)/$(RT)/user/user.ld -Wl,-s -o $$@ \
		$(call rt_program_objs,$1)
endef
$(foreach p,$(RT_PROGRAMS),$(eval $(call rt_program_rules,$p)))

roms/rootfs.cpio: obj/tools/mkcpio $(RT_PROGRAMS:%=obj/guest/rt_user/%.elf) roms/child.elf
	obj/tools/mkcpio $@ $(foreach p,$(RT_PROGRAMS),bin/$p=obj/guest/rt_user/$p.elf) \
		child.elf=roms/child.elf
