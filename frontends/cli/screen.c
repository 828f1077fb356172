/*
 * The machine's display for the command line: the live one of --display, and --screenshot.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "debug/screenshot.h"
#include "frontends/cli/session.h"
#include "frontends/display.h"

static int parse_screenshot(struct session *s, struct err *err)
{
    const char *text = opt_text(&s->o, OPT_ID_SCREENSHOT);
    const char *at = text ? strrchr(text, '@') : NULL;

    s->screenshot_ns = UINT64_MAX;
    if (!text)
        return 0;
    size_t len = strlen(text);
    if (at && strcmp(at, "@end") != 0 && value_parse_duration(at + 1, &s->screenshot_ns) < 0) {
        err_set(err, "E-CLI-002", -EINVAL, "--screenshot: '%s' is no time", at + 1);
        return err_hint(err, "FILE.png, FILE.png@2.5s, FILE.png@300ms or FILE.png@end");
    }
    if (at)
        len = (size_t)(at - text);
    if (len == 0 || len >= sizeof(s->screenshot))
        return err_set(err, "E-CLI-002", -EINVAL, "--screenshot: no file name");
    memcpy(s->screenshot, text, len);
    s->screenshot[len] = 0;
    return 0;
}

int session_open_display(struct session *s, struct err *err)
{
    const char *kind = opt_text(&s->o, OPT_ID_DISPLAY);

    if (parse_screenshot(s, err) < 0)
        return err->code;
    if (strcmp(kind, display_window.name) == 0)
        s->display_ops = &display_window;
    else if (strcmp(kind, display_text.name) == 0)
        s->display_ops = &display_text;
    return 0;
}

int session_start_display(struct session *s, struct err *err)
{
    if (!s->display_ops)
        return 0;
    s->display = s->display_ops->open(s->machine, err);
    return s->display ? 0 : err->code;
}

void session_close_display(struct session *s)
{
    if (s->display)
        s->display_ops->close(s->display);
    s->display = NULL;
}

void session_draw(struct session *s)
{
    if (!s->display)
        return;
    uint64_t now = host_now_ns();
    if (machine_is_waiting(s->machine) && now < s->next_draw_ns) {
        /* only a key can wake the guest: no need to hurry */
        poll(NULL, 0, (int)((s->next_draw_ns - now) / 1000000) + 1);
        now = host_now_ns();
    }
    if (now < s->next_draw_ns)
        return;
    s->next_draw_ns = now + DISPLAY_REFRESH_NS;
    if (!s->display_ops->poll(s->display)) {
        s->end = END_USER;
        machine_request_stop(s->machine);
    }
}

bool session_screenshot(struct session *s, bool at_end)
{
    struct err err;

    if (!s->screenshot[0] || (!at_end && machine_now_ns(s->machine) < s->screenshot_ns))
        return false;
    err_clear(&err);
    if (screenshot_save(s->machine, s->screenshot, &err) < 0) {
        err_print(&err);
        s->end = END_ERROR;
    }
    s->screenshot[0] = 0;
    s->screenshot_ns = UINT64_MAX;
    return true;
}
