/* What Kubernetes adds to the language for rules of schemas, by its documentation's examples and at
 * the edges of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "render/cel/cel.h"

static int run(const char *source, struct buf *json, struct err *err)
{
    struct arena arena = {0};
    const struct cel_env env = {.functions = cel_kubernetes_functions(),
                                .function_count = cel_kubernetes_function_count()};
    const struct cel_input input = {0};
    const struct cel_program *program;
    struct cel_value v;
    uint32_t offset = 0;
    uint64_t cost;
    int rc = cel_compile(&arena, &env, slice_of(source), &program, &offset, err);
    rc = rc != 0 ? rc : cel_eval(program, &input, &arena, &v, &cost, &offset, err);
    if (rc == 0) {
        struct cel_ctx ctx = {.arena = &arena, .cost_limit = CEL_COST_DEFAULT};
        json_t *result = NULL;
        if (cel_to_json(&ctx, v, &result)) {
            json_canonical(result, json);
            json_decref(result);
        } else {
            *err = ctx.err;
            rc = ctx.err.code;
        }
    }
    arena_free(&arena);
    return rc;
}

static void gives(const char *source, const char *expected)
{
    struct buf json = {0};
    struct err err = {0};
    if (run(source, &json, &err) != 0) {
        fail_msg("%s: %s", source, err.message);
    }
    if (strcmp(buf_cstr(&json), expected) != 0) {
        fail_msg("%s gives %s, not %s", source, buf_cstr(&json), expected);
    }
    buf_free(&json);
}

static void is_true(const char *source)
{
    gives(source, "true");
}

static void fails(const char *source, const char *expected)
{
    struct buf json = {0};
    struct err err = {0};
    if (run(source, &json, &err) == 0) {
        fail_msg("%s gives %s instead of failing", source, buf_cstr(&json));
    }
    if (strstr(err.message, expected) == NULL) {
        fail_msg("%s fails with \"%s\", without \"%s\"", source, err.message, expected);
    }
    buf_free(&json);
}

static void lists(void **state)
{
    (void)state;
    is_true("[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()");
    is_true("[1, 3, 2].max() == 3 && [1.5, 0.5].min() == 0.5 && [1, 2].sum() == 3");
    is_true("['a', 'b', 'b'].indexOf('b') == 1 && ['a', 'b', 'b'].lastIndexOf('b') == 2");
    is_true("[1].indexOf(2) == -1 && [].lastIndexOf(1) == -1");
    is_true("'banana'.indexOf('an') == 1 && 'banana'.lastIndexOf('an') == 3");
    is_true("'banana'.indexOf('an', 2) == 3");
    fails("[1].indexOf(1, 2)", "applied to 'list(int).(int, int)'");
    fails("[].max()", "max() of an empty list");
}

static void regular_expressions(void **state)
{
    (void)state;
    gives("'abc 123'.find('[0-9]+')", "\"123\"");
    gives("'abc'.find('[0-9]+')", "\"\"");
    gives("'123 abc 456'.findAll('[0-9]+')", "[\"123\",\"456\"]");
    gives("'123 abc 456'.findAll('[0-9]+', 1)", "[\"123\"]");
    gives("'123'.findAll('[0-9]+', 0)", "[]");
    gives("'123 abc 456'.findAll('[0-9]+', -1)", "[\"123\",\"456\"]");
    gives("'abc'.findAll('z')", "[]");
    gives("'aXbX'.findAll('[a-z]*')", "[\"a\",\"b\",\"\"]");
    gives("'\xc3\xa9\xc3\xa9'.findAll('x*')", "[\"\",\"\",\"\"]");
    gives("'123456789'.findAll('[0-9]')",
          "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]");
    gives("''.findAll('^$')", "[\"\"]");
    fails("'a'.find('(')", "find(): invalid pattern");
    fails("'a'.findAll('a', dyn('b'))", "no such overload: findAll");
}

static void urls(void **state)
{
    (void)state;
    gives("url('https://user:pa@Example.com:80/p%20q/r s?k1=a&k2=b&k1=c%2B+d').getHost()",
          "\"Example.com:80\"");
    gives("url('HTTPS://example.com:80/').getScheme()", "\"https\"");
    gives("url('/path').getScheme() + url('/path').getHost()", "\"\"");
    gives("url('https://example.com:80/').getHostname()", "\"example.com\"");
    gives("url('https://127.0.0.1:80/').getHostname()", "\"127.0.0.1\"");
    gives("url('https://[::1]:80/').getHostname() + url('https://[::1]:80/').getPort()",
          "\"::180\"");
    gives("url('https://[::1]/').getHost() + url('https://[::1]/').getPort()", "\"[::1]\"");
    gives("url('https://example.com/').getPort() + url('/a').getPort()", "\"\"");
    gives("url('https://example.com/p%20q/r s\xc3\xa9').getEscapedPath()",
          "\"/p%20q/r%20s%C3%A9\"");
    gives("url('https://example.com').getEscapedPath()", "\"\"");
    gives("url('https://example.com/path?k1=a&k2=b&k1=c%2B+d&bad=%zz&=e').getQuery()",
          "{\"\":[\"e\"],\"k1\":[\"a\",\"c+ d\"],\"k2\":[\"b\"]}");
    gives("url('https://example.com/path').getQuery()", "{}");
    is_true("isURL('https://example.com:80/') && isURL('/path') && isURL('mailto:a@b.c')");
    is_true("!isURL('https://a:b/') && !isURL('../relative-path') && !isURL('')");
    is_true("!isURL('://x') && !isURL('1http://x') && !isURL('https://a b/') && !isURL('/%zz')");
    is_true("!isURL('https://[::1/') && !isURL('https://a/\\n') && !isURL('http://a@b@c d/')");
    is_true("url('/a') == url('/a') && url('/a') != url('/b')");
    fails("url('relative')", "url(\"relative\"): it is neither");
    fails("url(dyn(1))", "no such overload: url(int)");
    fails("url('/a')", "a kubernetes.URL cannot be stored");
}

static void addresses(void **state)
{
    (void)state;
    is_true("isIP('127.0.0.1') && isIP('::1') && isIP('fd00::A')");
    is_true("!isIP('127.0.0.256') && !isIP('01.2.3.4') && !isIP('fe80::1%eth0') && !isIP('')");
    is_true("!isIP('::ffff:1.2.3.4') && !isIP('1.2.3') && !isIP('1.2.3.4 ')");
    is_true("ip.isCanonical('127.0.0.1') && ip.isCanonical('2001:db8::1')");
    is_true("!ip.isCanonical('2001:DB8::1') && !ip.isCanonical('2001:db8::0:0:0:1')");
    gives("string(ip('2001:DB8:0:0:1:0:0:1'))", "\"2001:db8::1:0:0:1\"");
    gives("string(ip('::1:2')) + ' ' + string(ip('1::')) + ' ' + string(ip('::'))",
          "\"::1:2 1:: ::\"");
    gives("string(ip('1:0:2:3:4:5:6:7')) + string(ip('10.0.0.1')) + string(5)",
          "\"1:0:2:3:4:5:6:710.0.0.15\"");
    is_true("ip('127.0.0.1').family() == 4 && ip('::1').family() == 6");
    is_true("ip('127.0.0.1') == ip('127.0.0.1') && ip('::1') == ip('0::1')");
    is_true("ip('127.0.0.1') != ip('127.0.0.2') && ip('0.0.0.0') != ip('::')");
    is_true("ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified()");
    is_true("ip('127.9.0.1').isLoopback() && ip('::1').isLoopback() && !ip('::2').isLoopback()");
    is_true("ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()");
    is_true("ip('ff02::1').isLinkLocalMulticast() && ip('fe80::1').isLinkLocalUnicast()");
    is_true("ip('169.254.0.1').isLinkLocalUnicast() && !ip('10.0.0.1').isLinkLocalUnicast()");
    is_true("ip('192.168.0.1').isGlobalUnicast() && ip('2001:db8::1').isGlobalUnicast()");
    is_true("!ip('255.255.255.255').isGlobalUnicast() && !ip('224.0.0.1').isGlobalUnicast()");
    is_true("type(ip('::1')) == type(ip('::2'))");
    fails("ip('1.2.3.4.5')", "ip(\"1.2.3.4.5\"): it is no IP address");
    fails("ip('::ffff:1.2.3.4')", "an IPv4 address in an IPv6 one is not allowed");
    fails("ip.isCanonical('x')", "it is no IP address");
    fails("dyn('x').family()", "no such overload: family(string)");
}

static void cidrs(void **state)
{
    (void)state;
    is_true("isCIDR('192.168.0.0/16') && isCIDR('::1/128') && isCIDR('10.0.0.1/0')");
    is_true("!isCIDR('192.168.0.0/33') && !isCIDR('1.2.3.4') && !isCIDR('1.2.3.4/08')");
    is_true("!isCIDR('::ffff:1.2.3.4/120') && !isCIDR('1.2.3.4/+8') && !isCIDR('/8')");
    is_true("cidr('192.168.0.0/16').containsIP(ip('192.168.0.1'))");
    is_true("cidr('192.168.0.0/16').containsIP('192.168.255.255')");
    is_true("!cidr('192.168.0.0/16').containsIP('192.169.0.1')");
    is_true("!cidr('::/0').containsIP('1.2.3.4') && cidr('0.0.0.0/0').containsIP('1.2.3.4')");
    is_true("cidr('2001:db8::/33').containsIP('2001:db8:7fff::1')");
    is_true("!cidr('2001:db8::/33').containsIP('2001:db8:8000::1')");
    is_true("cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24'))");
    is_true("!cidr('192.168.0.0/16').containsCIDR('192.0.0.0/8')");
    is_true("cidr('192.168.0.0/16').containsCIDR('192.168.0.0/16')");
    is_true("cidr('127.0.0.1/8').ip() == ip('127.0.0.1')");
    is_true("cidr('127.0.0.1/8').masked() == cidr('127.0.0.0/8')");
    is_true("cidr('127.0.0.1/8') != cidr('127.0.0.0/8') && cidr('::1/0').prefixLength() == 0");
    gives("string(cidr('2001:db8:0::1/33').masked())", "\"2001:db8::/33\"");
    fails("cidr('1.2.3.4')", "'/' is missing");
    fails("cidr('::/0').containsIP('x')", "it is no IP address");
    fails("cidr('::/0').containsIP(dyn(1))", "no such overload: containsIP(net.CIDR, int)");
}

static void quantities(void **state)
{
    (void)state;
    is_true("isQuantity('1.3G') && isQuantity('1.3Gi') && !isQuantity('1.3 Gi') && "
            "!isQuantity('1,3G') && isQuantity('10000k') && !isQuantity('200K') && "
            "!isQuantity('Three')");
    is_true("quantity('1.5').isGreaterThan(quantity('1')) && "
            "quantity('200M').compareTo(quantity('0.2G')) == 0");
    is_true("quantity('50k').isLessThan(quantity('50M')) && quantity('1Ki') == quantity('1024')");
    is_true("quantity('50k').add(20) == quantity('50020') && "
            "quantity('50k').sub(quantity('20k')) == quantity('30k')");
    is_true("quantity('50k').sub(20000).asInteger() == 30000");
    is_true("quantity('50000000G').isInteger() && quantity('50k').isInteger() && "
            "!quantity('100m').isInteger()");
    is_true("quantity('9999999999999999999999999999999999999G').isGreaterThan(quantity('1Ei'))");
    is_true(
        "quantity('-1').sign() == -1 && quantity('0').sign() == 0 && quantity('1n').sign() == 1");
    is_true("quantity('50.703k').asApproximateFloat() == 50703.0");
    is_true("quantity('1.000000001').isGreaterThan(quantity('1'))");
    is_true("quantity('0.1').add(quantity('0.2')) == quantity('300m')");
    is_true("quantity('9223372036854775807').asInteger() == 9223372036854775807");
    is_true("quantity('8Ei') == quantity('9223372036854775807')"); /* as much as there can be */
    fails("quantity('100m').asInteger()", "the quantity is no integer");
    fails("quantity('x')", "quantity(\"x\"): it is no quantity");
    fails("quantity('1').add(dyn('1'))", "no such overload: add(kubernetes.Quantity, string)");
    fails("quantity('1').compareTo(dyn(1))", "no such overload: compareTo");
}

static void versions(void **state)
{
    (void)state;
    is_true("isSemver('1.2.3') && isSemver('1.2.3-rc.1+b.01') && isSemver('0.0.0')");
    is_true("!isSemver('v1.0') && !isSemver('1.2') && !isSemver('1.2.3.4') && !isSemver('01.2.3')");
    is_true("!isSemver('1.2.3-') && !isSemver('1.2.3-a..b') && !isSemver('1.2.3-01') && "
            "!isSemver('1.2.3.') && !isSemver('1.2.3+') && !isSemver('')");
    is_true("isSemver('v1.0', true) && isSemver('1', true) && isSemver('01.02.03', true)");
    is_true("semver('v1', true) == semver('1.0.0') && semver('1.2.3').minor() == 2");
    is_true("semver('1.2.3').major() == 1 && semver('1.2.3').patch() == 3");
    is_true("semver('1.2.3').compareTo(semver('1.2.3')) == 0");
    is_true("semver('1.9.0').isLessThan(semver('1.10.0'))");
    /* The order of the specification's section 11. */
    is_true("['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', "
            "'1.0.0-beta.11', '1.0.0-rc.1', '1.0.0'].all(a, semver(a) == semver(a + '+x')) && "
            "['1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', "
            "'1.0.0-beta.11', '1.0.0-rc.1', '1.0.0'].all(a, "
            "semver(a).isGreaterThan(semver('1.0.0-alpha')))");
    is_true("semver('1.0.0-beta.11').isGreaterThan(semver('1.0.0-beta.2')) && "
            "semver('1.0.0-alpha.1').isLessThan(semver('1.0.0-alpha.beta'))");
    fails("semver('1.2')", "it is no semantic version");
    fails("semver('1.2.3').isLessThan(dyn(quantity('1')))", "no such overload: isLessThan");
}

static void formats(void **state)
{
    (void)state;
    is_true("!format.dns1123Label().validate('my-label').hasValue()");
    is_true("format.dns1123Label().validate('My').value().size() == 1");
    is_true("format.named('uuid').value() == format.uuid() && !format.named('x').hasValue()");
    is_true("!format.dns1123LabelPrefix().validate('my-').hasValue() && "
            "format.dns1123Label().validate('my-').hasValue()");
    is_true("!format.dns1123Subdomain().validate('a.b').hasValue() && "
            "format.dns1035Label().validate('1a').hasValue()");
    is_true("!format.qualifiedName().validate('a.b/c').hasValue() && "
            "!format.labelValue().validate('').hasValue()");
    is_true("!format.uri().validate('https://a/b').hasValue() && "
            "format.uri().validate('a b').hasValue()");
    is_true("!format.uuid().validate('123e4567-e89b-42d3-a456-426614174000').hasValue()");
    is_true("!format.byte().validate('aGk=').hasValue() && format.byte().validate('*').hasValue()");
    is_true("!format.date().validate('2026-01-02').hasValue() && "
            "!format.datetime().validate('2026-01-02T03:04:05Z').hasValue()");
    is_true("!format.dns1035LabelPrefix().validate('a-').hasValue()");
    fails("format.uuid().validate(dyn(1))", "no such overload: validate");
    fails("format.named(dyn(1))", "no such overload: format.named(int)");
}

static void types_have_names(void **state)
{
    (void)state;
    is_true("type(ip('::1')) == net.IP && type(cidr('::/0')) == net.CIDR");
    is_true("type(url('https://x')) == kubernetes.URL && type('x') != kubernetes.URL");
    is_true("[quantity('1'), semver('1.2.3')].map(x, type(x)) == "
            "[kubernetes.Quantity, kubernetes.Semver]");
    is_true("type(net.IP) == type");
    fails("net.Nothing", "undeclared reference to 'net'");
    fails("kubernetes", "undeclared reference to 'kubernetes'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(regular_expressions),
        cmocka_unit_test(urls),
        cmocka_unit_test(addresses),
        cmocka_unit_test(cidrs),
        cmocka_unit_test(quantities),
        cmocka_unit_test(versions),
        cmocka_unit_test(formats),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
