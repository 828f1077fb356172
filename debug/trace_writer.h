/*
 * Writers of trace records: text for people, JSONL for programs. Selection by globs over
 * "group:name" of core/trace.def, plus "insn", the instruction trace.
 */
#ifndef DEBUG_TRACE_WRITER_H
#define DEBUG_TRACE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct machine;
struct trace_writer;

enum trace_format { TRACE_TEXT, TRACE_JSONL };

/* path NULL: stderr. The machine must outlive the writer's use; free before the machine. */
struct trace_writer *trace_writer_new(struct machine *m, const char *path, enum trace_format format,
                                      struct err *err);
/* "vmx:*,apic:eoi,insn"; a glob without colon means its group. Error when one matches nothing. */
int trace_writer_select(struct trace_writer *w, const char *globs, struct err *err);
void trace_writer_free(struct trace_writer *w);
/* All records so far reach the file (before a crash report, at a gdb stop). */
void trace_writer_flush(struct trace_writer *w);

/* True when `name` ("vmx:exit") is meant by one glob of the list. Pure; unit-tested. */
bool trace_glob_match(const char *glob, const char *name);

#endif
