/* powerd: the demo box's ACPI without ACPI.
 *
 * The box's kernels run without ACPI, because parsing its tables costs an emulated processor seconds and an interpreted one a
 * minute. What a machine needs of it is little: see that the power button was pressed, and switch the power off. Both are
 * registers of the chipset's power management block (PIIX4, which QEMU's "pc" machine and VirtualBox both emulate):
 *
 *   base + 0  PM1 status    bit 8: the power button was pressed (write 1 to clear)
 *   base + 2  PM1 enable    bit 8: QEMU records a press only while this is set
 *   base + 4  PM1 control   bits 10-12: which sleep, bit 13: go to sleep
 *
 * powerd            waits for the button, then runs /sbin/poweroff
 * powerd off        switches the power off at once; the caller has stopped everything and synced
 * powerd seed FILE  credits FILE to the kernel's random pool and replaces it
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define POWER_BUTTON (1u << 8)
#define SLEEP_ENABLE (1u << 13)
#define SLEEP_TYPE(n) ((n) << 10)

#define PIIX4_POWER_MANAGEMENT 0x71138086u
#define VIRTUALBOX_VENDOR 0x80eeu
#define VIRTUALBOX_PM_BASE 0x4000u

/* PCI configuration space by the I/O ports every PC has: no file system needs to be mounted for it. */
static uint32_t pci_read(unsigned device, unsigned function, unsigned offset)
{
    outl(0x80000000u | device << 11 | function << 8 | offset, 0xcf8);
    return inl(0xcfc);
}

static unsigned find_power_management(void)
{
    int virtualbox = 0;
    unsigned base = 0;

    for (unsigned device = 0; device < 32; device++) {
        for (unsigned function = 0; function < 8; function++) {
            uint32_t id = pci_read(device, function, 0);
            if (id == 0xffffffffu) {
                if (function == 0)
                    break;
                continue;
            }
            if (id == PIIX4_POWER_MANAGEMENT)
                base = pci_read(device, function, 0x40) & 0xffc0u;
            if ((id & 0xffffu) == VIRTUALBOX_VENDOR)
                virtualbox = 1;
        }
    }
    /* VirtualBox's chip is at a fixed address, whether or not its BIOS wrote that into the configuration space. */
    if (base == 0 && virtualbox)
        base = VIRTUALBOX_PM_BASE;
    return base;
}

static void switch_off(unsigned base)
{
    unsigned control = inw(base + 4) & ~(SLEEP_TYPE(7u) | SLEEP_ENABLE);

    /* "Off" is type 0 for QEMU and type 5 for VirtualBox. VirtualBox takes type 0 for "stay awake", so it goes first. */
    outw(control | SLEEP_TYPE(0u) | SLEEP_ENABLE, base + 4);
    usleep(20000);
    outw(control | SLEEP_TYPE(5u) | SLEEP_ENABLE, base + 4);
    usleep(500000);
}

static int wait_for_button(unsigned base)
{
    /* A quarter of a second is fast enough for a finger and costs an idle machine nothing to speak of. */
    const struct timespec pause = {.tv_nsec = 250000000};

    mlockall(MCL_CURRENT);
    outw(POWER_BUTTON, base);
    outw(inw(base + 2) | POWER_BUTTON, base + 2);
    while (!(inw(base) & POWER_BUTTON))
        nanosleep(&pause, NULL);
    outw(POWER_BUTTON, base);
    execl("/sbin/poweroff", "poweroff", (char *)NULL);
    perror("powerd: /sbin/poweroff");
    return 1;
}

/* Without a source of randomness the kernel holds sshd up for seconds until it has gathered enough. As Ubuntu's own
 * urandom script did, the box carries a seed from one boot to the next; the time stamp counter tells apart two machines
 * that start from the same disk. A hardware generator, where there is one, is mixed in by the kernel itself. */
static int seed(const char *path)
{
    struct {
        struct rand_pool_info info;
        unsigned char bytes[512];
    } pool = {0};
    ssize_t length = 0;
    struct timespec now;
    int file = open(path, O_RDWR | O_CREAT, 0600);

    if (file >= 0)
        length = read(file, pool.bytes, 256);
    if (length < 0)
        length = 0;
    for (int i = 0; i < 16; i++) {
        uint64_t ticks;
        clock_gettime(i % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
        ticks = __builtin_ia32_rdtsc() ^ (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
        memcpy(pool.bytes + length, &ticks, sizeof ticks);
        length += sizeof ticks;
    }
    pool.info.entropy_count = 256;
    pool.info.buf_size = (int)length;

    int device = open("/dev/urandom", O_RDWR);
    if (device < 0 || ioctl(device, RNDADDENTROPY, &pool.info) < 0) {
        fprintf(stderr, "powerd: /dev/urandom: %s\n", strerror(errno));
        return 1;
    }
    if (file >= 0 && getrandom(pool.bytes, 256, GRND_NONBLOCK) == 256 && pwrite(file, pool.bytes, 256, 0) != 256)
        fprintf(stderr, "powerd: %s: %s\n", path, strerror(errno));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "seed") == 0)
        return seed(argv[2]);

    if (iopl(3) < 0) {
        perror("powerd: iopl");
        return 1;
    }
    unsigned base = find_power_management();
    if (base == 0) {
        fprintf(stderr, "powerd: no PIIX4 power management here: no power button, no power off\n");
        return 1;
    }
    if (argc == 2 && strcmp(argv[1], "off") == 0) {
        switch_off(base);
        return 1;
    }
    return wait_for_button(base);
}
