/* Which addresses count as local, in every way of writing them. */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <ifaddrs.h>

#include "base/address.h"

static bool local(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        return address_is_local((const struct sockaddr *)&in);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return address_is_local((const struct sockaddr *)&in6);
}

static void test_local_and_not(void **state)
{
    static const char *const yes[] = {"127.0.0.1",
                                      "127.255.0.1",
                                      "0.0.0.0",
                                      "0.1.2.3",
                                      "169.254.169.254",
                                      "100.100.100.200",
                                      "168.63.129.16",
                                      "192.0.0.192",
                                      "224.0.0.1",
                                      "255.255.255.255",
                                      "::",
                                      "::1",
                                      "fe80::1",
                                      "febf::1",
                                      "fec0::1",
                                      "ff02::1",
                                      "fd00:ec2::254",
                                      "fd20:ce::254",
                                      "::ffff:127.0.0.1",
                                      "::ffff:169.254.169.254",
                                      "::127.0.0.1",
                                      "64:ff9b::7f00:1",
                                      "64:ff9b:1::a9fe:a9fe",
                                      "2002:7f00:1::",
                                      "2002:a9fe:a9fe::1"};
    static const char *const no[] = {
        "10.0.0.1",     "192.168.1.1",     "172.16.0.1",      "140.82.112.3", "128.0.0.1",
        "1.0.0.0",      "169.253.0.1",     "223.255.255.255", "fd12:3456::1", "2001:db8::1",
        "2606:50c0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"};
    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (!local(yes[i])) {
            fail_msg("%s is local", yes[i]);
        }
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (local(no[i])) {
            fail_msg("%s is not local", no[i]);
        }
    }
    const struct sockaddr unknown = {.sa_family = AF_UNIX};
    assert_true(address_is_local(&unknown));
}

/* What listens on all addresses is reached by the machine's own on any network, too. */
static void test_the_machines_own(void **state)
{
    struct ifaddrs *all;
    size_t seen = 0;
    (void)state;
    assert_int_equal(getifaddrs(&all), 0);
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        bool inet = i->ifa_addr != NULL &&
                    (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6);
        if (inet) {
            assert_true(address_is_local(i->ifa_addr));
            seen++;
        }
    }
    freeifaddrs(all);
    assert_true(seen > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_local_and_not),
                                       cmocka_unit_test(test_the_machines_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
