/* Unit tests of the display: registers, planes, VBE, the frame buffer as memory, the picture. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "core/bus.h"
#include "core/clock.h"
#include "devices/pci/pci.h"
#include "devices/video/vga_int.h"
#include "mmu/ram.h"
#include "tests/lib/rig.h"

static struct bus *bus;
static struct clock *k;
static struct ram *ram;
static struct pci_host *host;
static struct vga *v;

static void request(void *opaque, enum board_request what, uint32_t value)
{
    (void)opaque;
    (void)what;
    (void)value;
}

static void build_on(struct ram *r, struct bus *b, struct clock *c)
{
    static const uint8_t irq[PCI_PIRQS];
    const struct board_port board = {request, NULL, NULL};
    const struct vga_config cfg = {b, c, r, NULL, 0};
    ram = r;
    bus = b;
    k = c;
    v = vga_new(&cfg);
    ck_assert_ptr_nonnull(v);
    host = pci_host_new(bus, &board);
    dev_reset(pci_host_dev(host));
    pci_host_plug(host, vga_func(v), PCI_DEVFN(1, 0));
    dev_reset(&vga_func(v)->dev);
    pci_host_assign(host, irq);
}

static void build(void)
{
    build_on(ram_new(4 << 20), bus_new(), clock_new());
}

static void destroy(void)
{
    struct dev *const d = &vga_func(v)->dev, *const h = pci_host_dev(host);
    d->cls->free(d);
    h->cls->free(h);
    ram_free(ram);
    clock_free(k);
    bus_free(bus);
}

static void out(unsigned port, unsigned value)
{
    bus_port_write(bus, (uint16_t)port, 1, value);
}
static unsigned inb(unsigned port)
{
    return (unsigned)bus_port_read(bus, (uint16_t)port, 1);
}
static void seq(unsigned n, unsigned value)
{
    bus_port_write(bus, 0x3c4, 2, n | value << 8);
}
static void gr(unsigned n, unsigned value)
{
    bus_port_write(bus, 0x3ce, 2, n | value << 8);
}
static void cr(unsigned n, unsigned value)
{
    bus_port_write(bus, 0x3d4, 2, n | value << 8);
}
static void ar(unsigned n, unsigned value)
{
    inb(0x3da);
    out(0x3c0, n);
    out(0x3c0, value);
    out(0x3c0, 0x20);
}
static void vbe(unsigned n, unsigned value)
{
    bus_port_write(bus, 0x1ce, 2, n);
    bus_port_write(bus, 0x1cf, 2, value);
}
static unsigned vbe_in(unsigned n)
{
    bus_port_write(bus, 0x1ce, 2, n);
    return (unsigned)bus_port_read(bus, 0x1cf, 2);
}
static void st(unsigned at, unsigned value)
{
    bus_mmio_write(bus, hpa(at), 1, value);
}
static unsigned ld(unsigned at)
{
    return (unsigned)bus_mmio_read(bus, hpa(at), 1);
}
static uint8_t *plane(unsigned n, unsigned at)
{
    return v->vram + at * 4 + n;
}

/* The 16-colour planar mode 12h on top of mode 3: 640 x 480. */
static void planar_mode(void)
{
    vga_set_text_mode(v);
    seq(4, 6);
    gr(5, 0);
    gr(6, 5);
    cr(0x11, 0);
    cr(0x12, 0xdf);
    cr(7, 0x3e);
    cr(9, 0x40);
    cr(0x17, 0xe3);
    cr(0x14, 0);
    cr(0x13, 40);
    cr(0x18, 0xff);
    ar(0x10, 1);
    seq(2, 15);
    memset(v->vram, 0, 0x40000);
}

static void mode_13h(void)
{
    planar_mode();
    seq(4, 0x0e);
    gr(5, 0x40);
    cr(0x12, 0x8f);
    cr(7, 0x1f);
    cr(9, 0x41);
    cr(0x14, 0x40);
    cr(0x17, 0xa3);
    ar(0x10, 0x41);
}

static uint32_t pixels[VGA_MAX_WIDTH * VGA_MAX_HEIGHT];
static unsigned width, height;

static void render(void)
{
    vga_size(v, &width, &height);
    memset(pixels, 0xff, sizeof pixels);
    vga_render(v, pixels, width);
}
static uint32_t at(unsigned x, unsigned y)
{
    return pixels[y * width + x];
}

/* ---- registers ---- */

START_TEST(registers_are_kept_and_unused_bits_are_zero)
{
    build();
    out(0x3c2, 0x67);
    ck_assert_uint_eq(inb(0x3cc), 0x67);
    seq(2, 0xff);
    out(0x3c4, 2);
    ck_assert_uint_eq(inb(0x3c5), 0x0f);
    gr(5, 0xff);
    out(0x3ce, 5);
    ck_assert_uint_eq(inb(0x3cf), 0x7b);
    cr(0x0c, 0x12);
    out(0x3d4, 0x0c);
    ck_assert_uint_eq(inb(0x3d5), 0x12);
    destroy();
}
END_TEST

START_TEST(the_crt_controller_moves_with_the_io_address_select)
{
    build();
    out(0x3c2, 0x66); /* monochrome: 3b4 */
    out(0x3b4, 0x0e);
    out(0x3b5, 0x55);
    ck_assert_uint_eq(inb(0x3b5), 0x55);
    ck_assert_uint_eq(inb(0x3d5), 0xff);
    out(0x3c2, 0x67);
    ck_assert_uint_eq(inb(0x3b5), 0xff);
    ck_assert_uint_eq(inb(0x3d5), 0x55);
    destroy();
}
END_TEST

START_TEST(protected_crt_registers_take_line_compare_only)
{
    build();
    out(0x3c2, 0x67);
    cr(7, 0x00);
    cr(0x11, 0x80);
    cr(0, 0x5f);
    cr(7, 0xff);
    out(0x3d4, 0);
    ck_assert_uint_eq(inb(0x3d5), 0);
    out(0x3d4, 7);
    ck_assert_uint_eq(inb(0x3d5), 0x10);
    destroy();
}
END_TEST

START_TEST(the_attribute_port_alternates_between_index_and_data)
{
    build();
    out(0x3c2, 0x67);
    inb(0x3da);
    out(0x3c0, 0x05);
    out(0x3c0, 0x2a);
    out(0x3c0, 0x12);
    out(0x3c0, 0x07);
    inb(0x3da);
    out(0x3c0, 0x05);
    ck_assert_uint_eq(inb(0x3c1), 0x2a);
    inb(0x3da);
    out(0x3c0, 0x25); /* the screen has the palette: no write */
    out(0x3c0, 0x01);
    ck_assert_uint_eq(inb(0x3c1), 0x2a);
    inb(0x3da);
    out(0x3c0, 0x12);
    ck_assert_uint_eq(inb(0x3c1), 0x07);
    destroy();
}
END_TEST

START_TEST(the_dac_counts_through_colours_and_entries)
{
    build();
    out(0x3c8, 10);
    for (unsigned i = 0; i < 6; i++)
        out(0x3c9, 0x10 + i);
    ck_assert_uint_eq(inb(0x3c8), 12);
    out(0x3c7, 10);
    ck_assert_uint_eq(inb(0x3c7), 3);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_uint_eq(inb(0x3c9), 0x10 + i);
    destroy();
}
END_TEST

START_TEST(retrace_comes_and_goes_with_virtual_time)
{
    build();
    vga_set_text_mode(v);
    unsigned changes = 0, was = inb(0x3da) & 8;
    for (uint64_t t = 0; t < 1000000000; t += 20000) {
        clock_advance(k, t);
        const unsigned now = inb(0x3da) & 8;
        changes += now != was;
        was = now;
    }
    ck_assert_uint_ge(changes, 2 * 68); /* 70 Hz */
    ck_assert_uint_le(changes, 2 * 72);
    destroy();
}
END_TEST

/* ---- planes ---- */

START_TEST(write_mode_0_rotates_sets_and_masks)
{
    build();
    planar_mode();
    st(0xa0010, 0x81);
    for (unsigned n = 0; n < 4; n++)
        ck_assert_uint_eq(*plane(n, 0x10), 0x81);
    seq(2, 5);
    gr(3, 1); /* rotate right by one */
    st(0xa0011, 0x81);
    ck_assert_uint_eq(*plane(0, 0x11), 0xc0);
    ck_assert_uint_eq(*plane(1, 0x11), 0);
    gr(3, 0);
    gr(1, 1); /* plane 0 from set/reset */
    gr(0, 1);
    gr(8, 0x0f); /* low bits only */
    ld(0xa0010);
    st(0xa0010, 0x00);
    ck_assert_uint_eq(*plane(0, 0x10), 0x8f);
    ck_assert_uint_eq(*plane(2, 0x10), 0x80);
    ck_assert_uint_eq(*plane(1, 0x10), 0x81); /* not in the map mask */
    destroy();
}
END_TEST

START_TEST(the_logic_unit_combines_with_the_latches)
{
    static const uint8_t wanted[4] = {0x0f, 0x03, 0x3f, 0x3c};
    build();
    planar_mode();
    for (unsigned op = 0; op < 4; op++) {
        gr(3, 0);
        st(0xa0000, 0x33);
        ld(0xa0000);
        gr(3, op << 3);
        st(0xa0000, 0x0f);
        ck_assert_uint_eq(*plane(3, 0), wanted[op]);
    }
    destroy();
}
END_TEST

START_TEST(write_mode_1_copies_the_latches)
{
    build();
    planar_mode();
    for (unsigned n = 0; n < 4; n++)
        *plane(n, 7) = (uint8_t)(0x11 * (n + 1));
    ld(0xa0007);
    gr(5, 1);
    st(0xa0100, 0xff);
    for (unsigned n = 0; n < 4; n++)
        ck_assert_uint_eq(*plane(n, 0x100), 0x11 * (n + 1));
    destroy();
}
END_TEST

START_TEST(write_modes_2_and_3_write_a_colour)
{
    build();
    planar_mode();
    gr(5, 2);
    gr(8, 0xf0);
    ld(0xa0000);
    st(0xa0000, 0x09);
    ck_assert_uint_eq(*plane(0, 0), 0xf0);
    ck_assert_uint_eq(*plane(1, 0), 0x00);
    ck_assert_uint_eq(*plane(3, 0), 0xf0);
    gr(5, 3);
    gr(8, 0xff);
    gr(0, 0x06);
    ld(0xa0000);
    st(0xa0000, 0x81); /* these pixels get colour 6 */
    ck_assert_uint_eq(*plane(0, 0), 0x70);
    ck_assert_uint_eq(*plane(1, 0), 0x81);
    ck_assert_uint_eq(*plane(2, 0), 0x81);
    ck_assert_uint_eq(*plane(3, 0), 0x70);
    destroy();
}
END_TEST

START_TEST(reads_choose_a_plane_or_compare_colours)
{
    build();
    planar_mode();
    for (unsigned n = 0; n < 4; n++)
        *plane(n, 3) = (uint8_t)(0xf0 >> n);
    for (unsigned n = 0; n < 4; n++) {
        gr(4, n);
        ck_assert_uint_eq(ld(0xa0003), 0xf0 >> n);
    }
    gr(5, 8);
    gr(2, 0x0f);
    gr(7, 0x0f);
    ck_assert_uint_eq(ld(0xa0003), 0x10); /* where all four planes are set */
    gr(7, 0x00);
    ck_assert_uint_eq(ld(0xa0003), 0xff);
    destroy();
}
END_TEST

START_TEST(chain_4_and_odd_even_spread_bytes_over_planes)
{
    build();
    mode_13h();
    for (unsigned i = 0; i < 8; i++)
        st(0xa0000 + i, 0x40 + i);
    ck_assert_uint_eq(*plane(1, 0), 0x41);
    ck_assert_uint_eq(*plane(3, 4), 0x47);
    ck_assert_uint_eq(ld(0xa0006), 0x46);
    vga_set_text_mode(v);
    st(0xb8000, 'A');
    st(0xb8001, 0x1e);
    st(0xb8002, 'B');
    ck_assert_uint_eq(*plane(0, 0), 'A');
    ck_assert_uint_eq(*plane(1, 0), 0x1e);
    ck_assert_uint_eq(*plane(0, 2), 'B');
    ck_assert_uint_eq(ld(0xb8001), 0x1e);
    ck_assert_uint_eq(ld(0xa0000), 0xff); /* the window is at B8000 */
    gr(6, 0x0a);
    ck_assert_uint_eq(ld(0xb0000), 'A');
    ck_assert_uint_eq(ld(0xb8000), 0xff);
    destroy();
}
END_TEST

/* ---- pictures ---- */

START_TEST(text_is_drawn_with_the_font_and_its_attributes)
{
    uint8_t font[256][16];
    build();
    vga_set_text_mode(v);
    vga_font(font);
    cr(0x0a, 0x20); /* no cursor */
    for (unsigned i = 0; i < 256; i++) {
        st(0xb8000 + 2 * i, i);
        st(0xb8001 + 2 * i, 0x1f);
    }
    render();
    ck_assert_uint_eq(width, 720);
    ck_assert_uint_eq(height, 400);
    for (unsigned i = 0; i < 256; i++) {
        for (unsigned y = 0; y < 16; y++) {
            for (unsigned x = 0; x < 9; x++) {
                const bool line = x == 8 ? (i & 0xe0) == 0xc0 && (font[i][y] & 1)
                                         : font[i][y] >> (7 - x) & 1;
                ck_assert_uint_eq(at(i % 80 * 9 + x, i / 80 * 16 + y), line ? 0xffffff : 0x0000aa);
            }
        }
    }
    struct vga_text *t = malloc(sizeof *t);
    ck_assert(vga_text(v, t));
    ck_assert_uint_eq(t->cols, 80);
    ck_assert_uint_eq(t->rows, 25);
    ck_assert_uint_eq(t->cell[1][3], 0x1f00 | 83);
    ck_assert_int_eq(t->cursor_row, -1);
    cr(0x0a, 0x0d);
    cr(0x0f, 163);
    ck_assert(vga_text(v, t));
    ck_assert_int_eq(t->cursor_row, 2);
    ck_assert_int_eq(t->cursor_col, 3);
    free(t);
    destroy();
}
END_TEST

START_TEST(no_two_letters_look_alike)
{
    uint8_t font[256][16];
    vga_font(font);
    for (unsigned a = 33; a < 127; a++) {
        for (unsigned b = a + 1; b < 127; b++)
            ck_assert(memcmp(font[a], font[b], 16) != 0);
    }
    for (unsigned ch = 0xa0; ch < 0xff; ch++) /* 255 is a space */
        ck_assert_mem_ne(font[ch], font[0], 16);
}
END_TEST

START_TEST(the_cursor_blinks_with_virtual_time)
{
    build();
    vga_set_text_mode(v);
    cr(0x0a, 0x0d);
    cr(0x0b, 0x0e);
    render();
    ck_assert_uint_eq(at(0, 13), 0xaaaaaa);
    ck_assert_uint_eq(at(0, 12), 0);
    clock_advance(k, 140000000);
    render();
    ck_assert_uint_eq(at(0, 13), 0);
    destroy();
}
END_TEST

START_TEST(planar_pixels_take_a_bit_of_each_plane)
{
    build();
    planar_mode();
    for (unsigned n = 0; n < 4; n++) {
        seq(2, 1u << n);
        st(0xa0000 + 80 * 479 + 79, n & 1 ? 0x01 : 0x03);
    }
    render();
    ck_assert_uint_eq(width, 640);
    ck_assert_uint_eq(height, 480);
    ck_assert_uint_eq(at(639, 479), 0xffffff);
    ck_assert_uint_eq(at(638, 479), 0xaa00aa); /* 5 */
    ck_assert_uint_eq(at(637, 479), 0);
    cr(0x0d, 80); /* start a line later */
    render();
    ck_assert_uint_eq(at(639, 478), 0xffffff);
    ar(0x13, 3); /* and three pixels to the left */
    render();
    ck_assert_uint_eq(at(636, 478), 0xffffff);
    destroy();
}
END_TEST

START_TEST(line_compare_splits_the_screen)
{
    build();
    planar_mode();
    st(0xa0000, 0xff); /* the first line of memory */
    cr(0x0c, 0x40);    /* upper part from 4000 */
    st(0xa4000, 0x0f);
    cr(0x18, 99);
    cr(7, 0x2e);
    cr(9, 0);
    render();
    ck_assert_uint_eq(at(0, 0), 0);
    ck_assert_uint_eq(at(4, 0), 0xffffff);
    ck_assert_uint_eq(at(0, 100), 0xffffff);
    ck_assert_uint_eq(at(0, 101), 0);
    destroy();
}
END_TEST

START_TEST(mode_13h_shows_a_byte_a_pixel)
{
    build();
    mode_13h();
    out(0x3c8, 200);
    out(0x3c9, 63);
    out(0x3c9, 32);
    out(0x3c9, 0);
    st(0xa0000 + 320 * 199 + 319, 200);
    st(0xa0000 + 320 * 17 + 5, 200);
    render();
    ck_assert_uint_eq(width, 320);
    ck_assert_uint_eq(height, 200);
    ck_assert_uint_eq(at(319, 199), 0xff8200);
    ck_assert_uint_eq(at(5, 17), 0xff8200);
    ck_assert_uint_eq(at(6, 17), 0);
    out(0x3c6, 0x0f); /* PEL mask: entry 8 */
    render();
    ck_assert_uint_eq(at(5, 17), v->dac[24] << 16 | v->dac[25] << 8 | v->dac[26]);
    destroy();
}
END_TEST

START_TEST(cga_mode_4_interleaves_lines_and_bit_pairs)
{
    build();
    planar_mode();
    seq(4, 2);
    seq(2, 3);
    seq(1, 9);
    gr(5, 0x30);
    gr(6, 0x0f);
    cr(1, 0x27);
    cr(0x12, 0x8f);
    cr(7, 0x1f);
    cr(9, 0xc1);
    cr(0x13, 0x14);
    cr(0x17, 0xa2);
    st(0xb8000, 0x1b); /* line 0: colours 0 1 2 3 */
    st(0xb8001, 0xc0);
    st(0xba000, 0x40); /* line 1 */
    st(0xb8050, 0x80); /* line 2 */
    render();
    ck_assert_uint_eq(width, 320);
    ck_assert_uint_eq(height, 200);
    ck_assert_uint_eq(at(0, 0), 0);
    ck_assert_uint_eq(at(1, 0), 0x0000aa);
    ck_assert_uint_eq(at(2, 0), 0x00aa00);
    ck_assert_uint_eq(at(3, 0), 0x00aaaa);
    ck_assert_uint_eq(at(4, 0), 0x00aaaa);
    ck_assert_uint_eq(at(0, 1), 0x0000aa);
    ck_assert_uint_eq(at(0, 2), 0x00aa00);
    destroy();
}
END_TEST

START_TEST(a_screen_that_is_off_is_black)
{
    build();
    vga_set_text_mode(v);
    st(0xb8000, 0xdb);
    render();
    ck_assert_uint_eq(at(0, 0), 0xaaaaaa);
    seq(1, 0x20);
    render();
    ck_assert_uint_eq(at(0, 0), 0);
    seq(1, 0);
    inb(0x3da);
    out(0x3c0, 0x00);
    render();
    ck_assert_uint_eq(at(0, 0), 0);
    destroy();
}
END_TEST

/* ---- VBE ---- */

static void lfb_st(uint64_t at_, uint32_t value, size_t size)
{
    ck_assert(ram_write(ram, hpa(vga_lfb_base(v) + at_), &value, size));
}

START_TEST(vbe_tells_its_limits)
{
    build();
    ck_assert_uint_eq(vbe_in(VBE_ID), 0xb0c5);
    vbe(VBE_ID, 0xb0c2);
    ck_assert_uint_eq(vbe_in(VBE_ID), 0xb0c2);
    vbe(VBE_ID, 0x1234);
    ck_assert_uint_eq(vbe_in(VBE_ID), 0xb0c2);
    ck_assert_uint_eq(vbe_in(VBE_MEMORY_64K), 256);
    vbe(VBE_ENABLE, VBE_GETCAPS);
    ck_assert_uint_eq(vbe_in(VBE_XRES), VGA_MAX_WIDTH);
    ck_assert_uint_eq(vbe_in(VBE_YRES), VGA_MAX_HEIGHT);
    ck_assert_uint_eq(vbe_in(VBE_BPP), 32);
    destroy();
}
END_TEST

START_TEST(every_depth_shows_its_pixels)
{
    static const struct {
        unsigned bpp, bytes;
        uint32_t value, color;
    } depth[] = {{8, 1, 0x1f, 0xff0082},
                 {15, 2, 0x7c1f, 0xff00ff},
                 {16, 2, 0x8410, 0x848284},
                 {24, 3, 0x123456, 0x123456},
                 {32, 4, 0xff123456, 0x123456}};
    build();
    vga_set_text_mode(v);
    out(0x3c8, 0x1f);
    out(0x3c9, 63);
    out(0x3c9, 0);
    out(0x3c9, 32);
    for (unsigned i = 0; i < sizeof depth / sizeof depth[0]; i++) {
        const unsigned bytes = depth[i].bytes;
        ck_assert(vga_set_linear_mode(v, 800, 600, depth[i].bpp));
        out(0x3c8, 0x1f);
        out(0x3c9, 63);
        out(0x3c9, 0);
        out(0x3c9, 32);
        lfb_st((800 * 599 + 799) * bytes, depth[i].value, bytes);
        lfb_st((800 * 3 + 2) * bytes, depth[i].value, bytes);
        render();
        ck_assert_uint_eq(width, 800);
        ck_assert_uint_eq(height, 600);
        ck_assert_uint_eq(at(799, 599), depth[i].color);
        ck_assert_uint_eq(at(2, 3), depth[i].color);
        ck_assert_uint_eq(at(3, 3), 0);
    }
    ck_assert(!vga_set_linear_mode(v, 2560, 1700, 32));
    ck_assert(!vga_set_linear_mode(v, 800, 600, 12));
    destroy();
}
END_TEST

START_TEST(the_virtual_screen_pans)
{
    build();
    vga_set_linear_mode(v, 640, 480, 32);
    vbe(VBE_VIRT_WIDTH, 1024);
    ck_assert_uint_eq(vbe_in(VBE_VIRT_HEIGHT), (VGA_VRAM_SIZE / 4) / 1024);
    lfb_st((1024 * 110 + 220) * 4, 0xabcdef, 4);
    vbe(VBE_X_OFFSET, 200);
    vbe(VBE_Y_OFFSET, 100);
    render();
    ck_assert_uint_eq(at(20, 10), 0xabcdef);
    vbe(VBE_Y_OFFSET, 0xffff); /* outside of the memory: no such mode, the VGA shows */
    render();
    ck_assert_uint_ne(width, 640);
    destroy();
}
END_TEST

START_TEST(banks_show_the_frame_buffer_at_a0000)
{
    build();
    vga_set_linear_mode(v, 1024, 768, 8);
    vbe(VBE_BANK, 5);
    bus_mmio_write(bus, hpa(0xa1234), 4, 0xdeadbeef);
    uint32_t got = 0;
    ram_read(ram, hpa(vga_lfb_base(v) + 0x51234), &got, 4);
    ck_assert_uint_eq(got, 0xdeadbeef);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(0xa1234), 4), 0xdeadbeef);
    ck_assert_uint_eq(ld(0xb0000), 0xff);
    destroy();
}
END_TEST

START_TEST(planar_vbe_modes_use_the_bank_within_planes)
{
    build();
    vga_set_text_mode(v);
    vbe(VBE_XRES, 1024);
    vbe(VBE_YRES, 768);
    vbe(VBE_BPP, 4);
    vbe(VBE_ENABLE, 1);
    seq(4, 6);
    seq(2, 15);
    gr(5, 0);
    gr(6, 5);
    const unsigned last = 128 * 768 - 1;
    vbe(VBE_BANK, last >> 16);
    st(0xa0000 + (last & 0xffff), 0x01);
    render();
    ck_assert_uint_eq(width, 1024);
    ck_assert_uint_eq(at(1023, 767), 0xffffff);
    ck_assert_uint_eq(at(1022, 767), 0);
    destroy();
}
END_TEST

START_TEST(the_registers_are_in_bar_2_too)
{
    build();
    vga_set_text_mode(v);
    const uint64_t mmio = v->pci.bar[2].mapped_at;
    bus_mmio_write(bus, hpa(mmio + 0x500 + 2 * VBE_XRES), 2, 1280);
    ck_assert_uint_eq(vbe_in(VBE_XRES), 1280);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(mmio + 0x500), 2), 0xb0c5);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(mmio + 0x414), 1), inb(0x3d4));
    bus_mmio_write(bus, hpa(mmio + 0x400), 1, 0x00); /* index 0: the screen goes off */
    ck_assert_uint_eq(inb(0x3c0), 0);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(mmio + 0x600), 4), 8);
    ck_assert_uint_eq(bus_mmio_read(bus, hpa(mmio + 0x604), 4), 0x1e1e1e1e);
    destroy();
}
END_TEST

/* ---- the frame buffer as memory ---- */

static void write_bar0(uint32_t value)
{
    bus_port_write(bus, 0xcf8, 4, 0x80000810);
    bus_port_write(bus, 0xcfc, 4, value);
}

START_TEST(the_processor_reaches_the_frame_buffer_where_bar_0_says)
{
    struct rig r = rig_new(4 << 20);
    build_on(r.ram, r.bus, r.clock);
    rig_long_mode(&r);
    const uint64_t base = vga_lfb_base(v);
    ck_assert_uint_ne(base, 0);
    rig_map(&r, r.c->cr3, 0x40000000, base, PTE_P | PTE_W, 21);
    mem_st32(r.c, 0x40000100, 0x11223344);
    ck_assert_uint_eq(*(uint32_t *)(v->vram + 0x100), 0x11223344);
    ck_assert_ptr_eq(mmu_bulk(r.c, 0x40000100, ACC_RW), v->vram + 0x100); /* as RAM: directly */
    const uint64_t before = ram_hash(r.ram, 0);
    mem_st8(r.c, 0x40000200, 1);
    ck_assert_uint_ne(before, ram_hash(r.ram, 0));
    write_bar0(0xd0000000); /* moved: the old place is nothing, at once */
    ck_assert_uint_eq(mem_ld32(r.c, 0x40000100), 0xffffffff);
    rig_map(&r, r.c->cr3, 0x40000000, 0xd0000000, PTE_P | PTE_W, 21);
    mmu_flush_all(r.c);
    ck_assert_uint_eq(mem_ld32(r.c, 0x40000100), 0x11223344);
    struct dev *const d = &vga_func(v)->dev, *const h = pci_host_dev(host);
    d->cls->free(d);
    h->cls->free(h);
    rig_free(&r);
}
END_TEST

START_TEST(windows_are_memory_for_dma_and_end_at_their_end)
{
    build();
    const uint64_t base = vga_lfb_base(v);
    uint32_t x = 0x5a5a5a5a;
    ck_assert(ram_write(ram, hpa(base + VGA_VRAM_SIZE - 4), &x, 4));
    ck_assert(!ram_write(ram, hpa(base + VGA_VRAM_SIZE - 2), &x, 4));
    ck_assert(!ram_read(ram, hpa(base - 4), &x, 4));
    ck_assert_int_lt(ram_window_add(ram, 100), 0);
    ck_assert_int_lt(ram_window_add(ram, RAM_WINDOW_ROOM), 0);
    destroy();
}
END_TEST

/* ---- hostile guests ---- */

START_TEST(random_registers_and_stores_do_no_harm)
{
    uint32_t seed = 99;
    for (unsigned round = 0; round < 30; round++) {
        build();
        if (round & 1)
            vga_set_text_mode(v);
        const uint64_t mmio = v->pci.bar[2].mapped_at;
        for (unsigned i = 0; i < 4000; i++) {
            seed = seed * 1664525 + 1013904223;
            const unsigned size = 1u << (seed >> 28 & 3), value = seed >> 4;
            const unsigned off = seed >> 8 & 0x1ffff;
            switch (seed >> 24 & 7) {
            case 0:
                bus_mmio_write(bus, hpa(0xa0000 + off), size, value);
                break;
            case 1:
                bus_mmio_read(bus, hpa(0xa0000 + off), size);
                break;
            case 2:
                bus_mmio_write(bus, hpa(mmio + (off & 0xfff)), size, value);
                break;
            case 3:
                vbe(off % 12, off & 1 ? value & 0xffff : value & 0x3ff);
                break;
            case 4:
                vbe(VBE_ENABLE, value & 0xff);
                break;
            case 5:
                bus_port_read(bus, (uint16_t)(0x3b4 + off % 44), 1);
                break;
            default:
                bus_port_write(bus, (uint16_t)(0x3c0 + off % 32), size > 4 ? 4 : size, value);
                break;
            }
            if (i % 200 == 0) {
                render();
                ck_assert_uint_ge(width, 1);
                ck_assert_uint_le(width, VGA_MAX_WIDTH);
                ck_assert_uint_le(height, VGA_MAX_HEIGHT);
                struct vga_text *t = malloc(sizeof *t);
                vga_text(v, t);
                free(t);
            }
        }
        destroy();
    }
}
END_TEST

SUITE("vga", registers_are_kept_and_unused_bits_are_zero,
      the_crt_controller_moves_with_the_io_address_select,
      protected_crt_registers_take_line_compare_only,
      the_attribute_port_alternates_between_index_and_data,
      the_dac_counts_through_colours_and_entries, retrace_comes_and_goes_with_virtual_time,
      write_mode_0_rotates_sets_and_masks, the_logic_unit_combines_with_the_latches,
      write_mode_1_copies_the_latches, write_modes_2_and_3_write_a_colour,
      reads_choose_a_plane_or_compare_colours, chain_4_and_odd_even_spread_bytes_over_planes,
      text_is_drawn_with_the_font_and_its_attributes, no_two_letters_look_alike,
      the_cursor_blinks_with_virtual_time, planar_pixels_take_a_bit_of_each_plane,
      line_compare_splits_the_screen, mode_13h_shows_a_byte_a_pixel,
      cga_mode_4_interleaves_lines_and_bit_pairs, a_screen_that_is_off_is_black,
      vbe_tells_its_limits, every_depth_shows_its_pixels, the_virtual_screen_pans,
      banks_show_the_frame_buffer_at_a0000, planar_vbe_modes_use_the_bank_within_planes,
      the_registers_are_in_bar_2_too, the_processor_reaches_the_frame_buffer_where_bar_0_says,
      windows_are_memory_for_dma_and_end_at_their_end, random_registers_and_stores_do_no_harm)
