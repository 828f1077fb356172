/*
 * tests/guest/kvm/kvmtest.c: runs inside a stock Linux guest: a user of /dev/kvm with a guest of
 * its own in real mode and one in 64-bit mode. Prints "KVM-OK" when every exit was as expected.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM (2u << 20)
#define CHECK(cond)                                                                               \
    do {                                                                                          \
        if (!(cond)) {                                                                            \
            printf("kvmtest: line %d: %s\n", __LINE__, #cond);                                    \
            return 1;                                                                             \
        }                                                                                         \
    } while (0)

/* mov dx,0x3f8; add al,bl; add al,'0'; out dx,al; mov al,'\n'; out dx,al; hlt */
static const uint8_t real_code[] = {0xba, 0xf8, 0x03, 0x00, 0xd8, 0x04, '0', 0xee,
                                    0xb0, '\n', 0xee, 0xf4};
/* 64-bit: sum 1..rcx into rax with pushes, touch a page of MMIO (1 GiB), CPUID, out, hlt */
static const uint8_t long_code[] = {
    0x31, 0xc0,                               /* xor eax, eax */
    0x01, 0xc8, 0x50, 0x5a,                   /* 1: add eax, ecx; push rax; pop rdx */
    0xe2, 0xfa,                               /* loop 1b */
    0x48, 0x89, 0xc6,                         /* mov rsi, rax */
    0xbb, 0x00, 0x00, 0x00, 0x40,             /* mov ebx, 0x40000000 */
    0x89, 0x03,                               /* mov [rbx], eax: MMIO */
    0x8b, 0x13,                               /* mov edx, [rbx]: MMIO */
    0x31, 0xc0, 0x0f, 0xa2,                   /* xor eax, eax; cpuid */
    0x89, 0xf0,                               /* mov eax, esi */
    0xe7, 0x80,                               /* out 0x80, eax */
    0xf4,                                     /* hlt */
};

struct vm {
    int fd, vcpu;
    uint8_t *mem;
    struct kvm_run *run;
};

static int vm_new(int kvm, struct vm *v)
{
    v->fd = ioctl(kvm, KVM_CREATE_VM, 0);
    CHECK(v->fd >= 0);
    v->mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(v->mem != MAP_FAILED);
    struct kvm_userspace_memory_region region = {
        .slot = 0, .guest_phys_addr = 0, .memory_size = MEM, .userspace_addr = (uintptr_t)v->mem};
    CHECK(ioctl(v->fd, KVM_SET_USER_MEMORY_REGION, &region) == 0);
    v->vcpu = ioctl(v->fd, KVM_CREATE_VCPU, 0);
    CHECK(v->vcpu >= 0);
    const int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    v->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, v->vcpu, 0);
    CHECK(v->run != MAP_FAILED);
    return 0;
}

static int real_mode(int kvm)
{
    struct vm v;
    struct kvm_sregs s;
    if (vm_new(kvm, &v))
        return 1;
    memcpy(v.mem + 0x1000, real_code, sizeof real_code);
    CHECK(ioctl(v.vcpu, KVM_GET_SREGS, &s) == 0);
    s.cs.base = 0;
    s.cs.selector = 0;
    CHECK(ioctl(v.vcpu, KVM_SET_SREGS, &s) == 0);
    struct kvm_regs r = {.rip = 0x1000, .rax = 2, .rbx = 2, .rflags = 2};
    CHECK(ioctl(v.vcpu, KVM_SET_REGS, &r) == 0);
    const char want[] = "4\n";
    for (unsigned n = 0; n < 2; n++) {
        CHECK(ioctl(v.vcpu, KVM_RUN, 0) == 0);
        CHECK(v.run->exit_reason == KVM_EXIT_IO);
        CHECK(v.run->io.port == 0x3f8 && v.run->io.direction == KVM_EXIT_IO_OUT);
        CHECK(*((char *)v.run + v.run->io.data_offset) == want[n]);
    }
    CHECK(ioctl(v.vcpu, KVM_RUN, 0) == 0);
    CHECK(v.run->exit_reason == KVM_EXIT_HLT);
    printf("kvmtest: real mode ok\n");
    return 0;
}

static int long_mode(int kvm)
{
    struct vm v;
    struct kvm_sregs s;
    if (vm_new(kvm, &v))
        return 1;
    uint64_t *pml4 = (uint64_t *)(v.mem + 0x2000), *pdpt = (uint64_t *)(v.mem + 0x3000);
    pml4[0] = 0x3003;
    pdpt[0] = 0x83; /* 1 GiB page: 0-1 GiB */
    pdpt[1] = 0x40000083;
    memcpy(v.mem + 0x1000, long_code, sizeof long_code);
    CHECK(ioctl(v.vcpu, KVM_GET_SREGS, &s) == 0);
    s.cr3 = 0x2000;
    s.cr4 = 1 << 5;
    s.cr0 = 0x80000011;
    s.efer = 0x500;
    s.cs.base = 0;
    s.cs.limit = 0xffffffff;
    s.cs.selector = 8;
    s.cs.type = 11;
    s.cs.present = s.cs.s = s.cs.l = s.cs.g = 1;
    s.cs.db = 0;
    struct kvm_segment data = s.cs;
    data.selector = 16;
    data.type = 3;
    data.l = 0;
    data.db = 1;
    s.ds = s.es = s.ss = s.fs = s.gs = data;
    CHECK(ioctl(v.vcpu, KVM_SET_SREGS, &s) == 0);
    struct kvm_regs r = {.rip = 0x1000, .rsp = 0x100000, .rcx = 1000, .rflags = 2};
    CHECK(ioctl(v.vcpu, KVM_SET_REGS, &r) == 0);
    CHECK(ioctl(v.vcpu, KVM_RUN, 0) == 0);
    CHECK(v.run->exit_reason == KVM_EXIT_MMIO);
    CHECK(v.run->mmio.phys_addr == 0x40000000 && v.run->mmio.is_write && v.run->mmio.len == 4);
    uint32_t value;
    memcpy(&value, v.run->mmio.data, 4);
    CHECK(value == 500500);
    CHECK(ioctl(v.vcpu, KVM_RUN, 0) == 0);
    CHECK(v.run->exit_reason == KVM_EXIT_MMIO && !v.run->mmio.is_write);
    CHECK(ioctl(v.vcpu, KVM_RUN, 0) == 0);
    CHECK(v.run->exit_reason == KVM_EXIT_IO && v.run->io.port == 0x80 && v.run->io.size == 4);
    memcpy(&value, (char *)v.run + v.run->io.data_offset, 4);
    CHECK(value == 500500);
    CHECK(ioctl(v.vcpu, KVM_RUN, 0) == 0);
    CHECK(v.run->exit_reason == KVM_EXIT_HLT);
    printf("kvmtest: 64-bit mode ok\n");
    return 0;
}

int main(void)
{
    const int kvm = open("/dev/kvm", O_RDWR);
    CHECK(kvm >= 0);
    CHECK(ioctl(kvm, KVM_GET_API_VERSION, 0) == 12);
    if (real_mode(kvm) || long_mode(kvm))
        return 1;
    printf("KVM-OK\n");
    return 0;
}
