/*
 * What `vitrine doctor` finds: a list of findings, each with a level and, where something can be
 * done about it, plain advice.
 */
#ifndef VITRINE_FRONTENDS_CLI_DOCTOR_H
#define VITRINE_FRONTENDS_CLI_DOCTOR_H

/* A missing thing switches a part off; a problem keeps `vitrine run` from working. */
enum finding_level { FINDING_OK, FINDING_NOTE, FINDING_MISSING, FINDING_PROBLEM };

struct finding {
    enum finding_level level;
    const char *group;
    char name[48], detail[160], advice[200];
};

#define DOCTOR_MAX 64

struct doctor {
    struct finding found[DOCTOR_MAX];
    unsigned count;
    const char *group; /* of what is being looked at */
};

/* Advice may be NULL. */
void doctor_add(struct doctor *d, enum finding_level level, const char *name, const char *advice,
                const char *detail, ...) __attribute__((format(printf, 5, 6)));

/* doctor_host.c: this host, and what this build was made with. */
void doctor_look_at_host(struct doctor *d);
void doctor_look_at_build(struct doctor *d);
void doctor_look_at_faces(struct doctor *d);
void doctor_look_at_guests(struct doctor *d);

/* selftest.c: runs machines; their results are the same on every host. */
void doctor_run_self_test(struct doctor *d);

#endif
