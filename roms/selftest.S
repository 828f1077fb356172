/*
 * The self-test of `vitrine doctor`: a multiboot program on the bare machine that runs integer,
 * x87, SSE and string instructions over pseudo-random numbers and folds every result into one sum
 * of 32 bits. It prints the sum as eight hexadecimal digits to the debug console (port 0xe9) and
 * ends by the debug-exit port. The sum and the count of instructions are the same on every host;
 * frontends/cli/selftest.c has both. Only assembly, so that no compiler can change it.
 */
#define DEBUGCON 0xe9
#define EXIT     0xf4
#define ROUNDS   20000

        .section .boot, "awx"
        .balign 4
        .long 0x1badb002, 0, -0x1badb002

        .code32
        .globl st_start
st_start:
        cld
        mov $stack_top, %esp
        mov %cr0, %eax
        and $~4, %eax                   /* CR0.EM */
        or $0x22, %eax                  /* MP, NE */
        mov %eax, %cr0
        mov %cr4, %eax
        or $0x600, %eax                 /* OSFXSR, OSXMMEXCPT */
        mov %eax, %cr4
        fninit
        mov $0x12345678, %ebx           /* the random number */
        xor %esi, %esi                  /* the sum */
        mov $ROUNDS, %ebp
round:  imul $1664525, %ebx, %ebx
        add $1013904223, %ebx
        call integers
        call x87
        call sse
        call strings
        dec %ebp
        jnz round

        mov $8, %ecx
digit:  rol $4, %esi
        mov %esi, %eax
        and $15, %eax
        mov digits(%eax), %al
        outb %al, $DEBUGCON
        loop digit
        xor %eax, %eax
        outb %al, $EXIT
stop:   hlt
        jmp stop

integers:
        mov %ebx, %eax
        mul %esi
        crc32l %eax, %esi
        crc32l %edx, %esi
        mov %ebx, %ecx
        or $1, %ecx
        mov %esi, %eax
        xor %edx, %edx
        div %ecx
        crc32l %edx, %esi
        mov %ebx, %ecx
        shld %cl, %ebx, %edx
        rcr %cl, %edx
        adc %edx, %eax
        daa
        aaa
        popcnt %ebx, %ecx
        add %ecx, %eax
        bsf %ebx, %ecx
        sbb %ecx, %eax
        bswap %eax
        crc32l %eax, %esi
        ret

/* x87: the top of the stack goes into the sum, all ten bytes */
fold:   fstpt value
        crc32l value, %esi
        crc32l value + 4, %esi
        crc32w value + 8, %esi
        ret

x87:    mov %ebx, value
        fildl value
        fld %st(0)
        fabs
        fsqrt
        call fold
        fld %st(0)
        fsin
        call fold
        fld %st(0)
        fcos
        call fold
        fld %st(0)
        fld1
        fpatan
        call fold
        fld %st(0)
        fidivl large
        f2xm1
        call fold
        fldl2t
        fld %st(1)
        fabs
        fld1
        faddp
        fyl2x
        call fold
        fldpi
        fxch
        fprem1
        call fold
        ret

sse:    cvtsi2sd %ebx, %xmm0
        sqrtsd %xmm0, %xmm1
        cvtsi2sd %ebp, %xmm2
        divsd %xmm2, %xmm0
        addsd %xmm1, %xmm0              /* a NaN every other time */
        movd %ebx, %xmm3
        pshufd $0x1b, %xmm3, %xmm4
        paddw %xmm3, %xmm4
        pmaddwd %xmm4, %xmm4
        cvtdq2ps %xmm4, %xmm5
        rsqrtps %xmm5, %xmm6
        xorps %xmm6, %xmm5
        mulps %xmm5, %xmm5
        cvtpd2ps %xmm0, %xmm0
        addss %xmm5, %xmm0
        pshufb %xmm3, %xmm5
        pxor %xmm5, %xmm0
        pmulld %xmm4, %xmm0
        psadbw %xmm3, %xmm4
        paddq %xmm4, %xmm0
        movups %xmm0, buffer
        crc32l buffer, %esi
        crc32l buffer + 4, %esi
        crc32l buffer + 8, %esi
        crc32l buffer + 12, %esi
        ret

strings:
        mov %esi, %edx
        mov $buffer + 16, %edi
        mov %ebx, %eax
        mov $13, %ecx
        rep stosl
        push %ebx
        mov $buffer + 3, %esi
        mov $buffer + 30, %edi
        mov %ebx, %ecx
        and $63, %ecx
        rep movsb
        mov $buffer, %esi
        mov $buffer + 40, %edi
        mov $40, %ecx
        repe cmpsb
        lea (%ecx,%esi), %eax
        pop %ebx
        mov %edx, %esi
        crc32l %eax, %esi
        crc32l buffer + 33, %esi
        ret

        .balign 4
large:  .long 0x7fffffff
digits: .ascii "0123456789abcdef"
        .balign 16
value:  .skip 16
buffer: .skip 128
        .skip 256
stack_top:
