/*
 * A program without library for full_perf.sh: `count N` runs a loop of four instructions, one of
 * them a taken branch, N times, and leaves.
 */
        .globl _start
_start: mov 16(%rsp), %rsi              /* argv[1] */
        xor %eax, %eax
1:      movzbl (%rsi), %ecx
        inc %rsi
        sub $'0', %ecx
        jb work
        imul $10, %eax, %eax
        add %ecx, %eax
        jmp 1b
        .globl work
work:   add $3, %rdx
        xor %rdx, %rcx
        dec %eax
        jnz work
        mov $60, %eax
        xor %edi, %edi
        syscall
