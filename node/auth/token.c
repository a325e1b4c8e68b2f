/* token.c: JSON Web Tokens over cjose.
 *
 * Issue: claims as canonical JSON, signed with ES256, compact serialization.
 * Check, cheapest first: length, three parts, header says ES256 (so that neither "none" nor a
 * symmetric algorithm keyed with our public key is ever tried), issuer and audience, then the
 * signature, then the times. The claims are read before the signature only to tell "of another
 * cluster" from "forged"; nothing of them is used until it verified. A token that verified is known
 * for a while (known.h); its times are checked each time. */
#include "node/auth/token.h"

#include <cjose/cjose.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/json.h"
#include "node/auth/known.h"

#define ISSUER "choreod"
#define CLAIM_ACCOUNT "kubernetes.io" /* Kubernetes' name of the claim */
enum { CLOCK_SLACK_MS = 60 * 1000 };

struct token_key {
    cjose_jwk_t *jwk;
    uint64_t id; /* of this key in this process, never used again: for known.h */
};

static int adopt(cjose_jwk_t *jwk, struct token_key **key)
{
    static _Atomic uint64_t last_id;
    *key = mem_alloc(sizeof **key);
    (*key)->jwk = jwk;
    (*key)->id = ++last_id;
    return 0;
}

int token_key_new(struct token_key **key, struct err *err)
{
    cjose_err why = {.message = "unknown"};
    cjose_jwk_t *jwk = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &why);
    if (jwk == NULL) {
        return err_set(err, ERR_INTERNAL, "make a token key: %s", why.message);
    }
    return adopt(jwk, key);
}

int token_key_load(struct slice jwk, struct token_key **key, struct err *err)
{
    if (jwk.len == 0) { /* cjose fails without a word */
        return err_set(err, ERR_INVALID, "token key: it is missing");
    }
    cjose_err why = {.message = "unknown"};
    cjose_jwk_t *loaded = cjose_jwk_import(jwk.data, jwk.len, &why);
    if (loaded == NULL) {
        return err_set(err, ERR_INVALID, "token key: not a JSON Web Key: %s", why.message);
    }
    json_t *tree = NULL;
    bool fits = json_parse(jwk, &tree, NULL) == 0 &&
                slice_eq_cstr(json_text_at(tree, "crv"), "P-256") &&
                json_text_at(tree, "d").len > 0;
    json_decref(tree);
    if (!fits) {
        (void)cjose_jwk_release(loaded);
        return err_set(err, ERR_INVALID, "token key: not a private EC P-256 key");
    }
    return adopt(loaded, key);
}

void token_key_save(const struct token_key *key, struct buf *jwk)
{
    char *text = cjose_jwk_to_json(key->jwk, true, NULL);
    buf_add_cstr(jwk, text);
    buf_add_char(jwk, '\n');
    cjose_get_dealloc()(text);
}

void token_key_free(struct token_key *key)
{
    if (key != NULL) {
        (void)cjose_jwk_release(key->jwk);
        free(key);
    }
}

static json_t *common_claims(uint64_t now_wall_ms, uint64_t valid_ms)
{
    char id[37];
    crypto_uuid(id);
    return json_pack("{s:s, s:I, s:I, s:s}", "iss", ISSUER, "iat", (json_int_t)(now_wall_ms / 1000),
                     "exp", (json_int_t)((now_wall_ms + valid_ms) / 1000), "jti", id);
}

/* Takes claims. */
static int sign(const struct token_key *key, json_t *claims, struct buf *out, struct err *err)
{
    struct buf text = {0};
    cjose_err why = {0};
    int rc = 0;
    cjose_jws_t *jws = NULL;
    const char *compact = NULL;
    json_canonical(claims, &text);
    cjose_header_t *header = cjose_header_new(&why);
    if (header == NULL || !cjose_header_set(header, CJOSE_HDR_ALG, CJOSE_HDR_ALG_ES256, &why) ||
        (jws = cjose_jws_sign(key->jwk, header, (const uint8_t *)text.data, text.len, &why)) ==
            NULL ||
        !cjose_jws_export(jws, &compact, &why)) {
        rc = err_set(err, ERR_INTERNAL, "sign a token: %s", why.message);
    } else {
        buf_add_cstr(out, compact);
    }
    cjose_jws_release(jws);
    cjose_header_release(header);
    buf_free(&text);
    json_decref(claims);
    return rc;
}

int token_issue(const struct token_key *key, const char *cluster, const struct subject *subject,
                uint64_t now_wall_ms, uint64_t valid_ms, struct buf *out, struct err *err)
{
    json_t *claims = common_claims(now_wall_ms, valid_ms);
    json_t *groups = json_array();
    for (size_t i = 0; i < subject->group_count; i++) {
        json_array_append_new(groups, json_str(subject->groups[i]));
    }
    json_object_set_new(claims, "aud", json_string(cluster));
    json_object_set_new(claims, "sub", json_str(subject->user));
    json_object_set_new(claims, "groups", groups);
    return sign(key, claims, out, err);
}

int token_issue_account(const struct token_key *key, const struct token_account *account,
                        uint64_t now_wall_ms, uint64_t valid_ms, struct buf *out, struct err *err)
{
    json_t *claims = common_claims(now_wall_ms, valid_ms);
    json_t *audiences = json_array();
    for (size_t i = 0; i < account->audience_count; i++) {
        json_array_append_new(audiences, json_str(account->audiences[i]));
    }
    json_object_set_new(claims, "aud", audiences);
    json_object_set_new(
        claims, "sub",
        json_sprintf(USER_ACCOUNT "%.*s:%.*s", SLICE_ARG(account->ns), SLICE_ARG(account->name)));
    json_object_set_new(claims, CLAIM_ACCOUNT,
                        json_pack("{s:o,s:{s:o,s:o}}", "namespace", json_str(account->ns),
                                  "serviceaccount", "name", json_str(account->name), "uid",
                                  json_str(account->uid)));
    return sign(key, claims, out, err);
}

/* The header's algorithm must be the one we sign with. */
static bool is_es256(struct slice token)
{
    struct buf text = {0};
    json_t *header = NULL;
    struct slice rest = token;
    struct slice part;
    bool fits = slice_split(&rest, '.', &part) && base64_decode(&text, part) &&
                json_parse(buf_slice(&text), &header, NULL) == 0 &&
                slice_eq_cstr(json_text_at(header, "alg"), "ES256");
    json_decref(header);
    buf_free(&text);
    return fits;
}

static int read_claims(cjose_jws_t *jws, json_t **claims)
{
    uint8_t *text = NULL;
    size_t len = 0;
    if (!cjose_jws_get_plaintext(jws, &text, &len, NULL)) {
        return -1;
    }
    return json_parse(slice_make(text, len), claims, NULL);
}

static int read_times(const json_t *claims, struct known_times *times, struct err *err)
{
    const json_t *issued = json_at(claims, "iat", NULL);
    const json_t *expires = json_at(claims, "exp", NULL);
    if (!json_is_integer(issued) || !json_is_integer(expires)) {
        return err_set(err, ERR_UNAUTHENTICATED,
                       "the token says not when it was issued or expires");
    }
    times->issued_s = json_integer_value(issued);
    times->expires_s = json_integer_value(expires);
    return 0;
}

static int check_times(const struct known_times *times, uint64_t now_wall_ms, struct err *err)
{
    int64_t now_s = (int64_t)(now_wall_ms / 1000);
    if (times->expires_s <= now_s) {
        return err_set(err, ERR_UNAUTHENTICATED, "the token expired %lld s ago: get a new one",
                       (long long)(now_s - times->expires_s));
    }
    if (times->issued_s > now_s + CLOCK_SLACK_MS / 1000) {
        return err_set(err, ERR_UNAUTHENTICATED,
                       "the token was issued in the future: check this node's clock");
    }
    return 0;
}

/* The account that a token is bound to. */
static int read_account(const json_t *account, const struct slice sub, struct arena *arena,
                        struct subject *subject, struct err *err)
{
    struct slice ns;
    struct slice name;
    *subject = (struct subject){
        .user = arena_copy(arena, sub),
        .uid = arena_copy(arena, json_text(json_at(account, "serviceaccount", "uid", NULL))),
        .bound = true,
    };
    bool good = subject->uid.len > 0 && subject_account(subject->user, &ns, &name) &&
                subject_add_account_groups(subject, ns, arena);
    return good ? 0
                : err_set(err, ERR_UNAUTHENTICATED,
                          "the token names no service account as it should");
}

static int read_subject(const json_t *claims, struct arena *arena, struct subject *subject,
                        struct err *err)
{
    const json_t *account = json_object_get(claims, CLAIM_ACCOUNT);
    if (account != NULL) {
        return read_account(account, json_text_at(claims, "sub"), arena, subject, err);
    }
    *subject = (struct subject){.user = arena_copy(arena, json_text_at(claims, "sub"))};
    const json_t *groups = json_at(claims, "groups", NULL);
    for (size_t i = 0; i < json_array_size(groups); i++) {
        struct slice group = arena_copy(arena, json_text(json_array_get(groups, i)));
        if (!subject_add_group(subject, group)) {
            return err_set(err, ERR_UNAUTHENTICATED, "the token names more than %d groups",
                           SUBJECT_GROUPS_MAX);
        }
    }
    if (subject->user.len == 0) {
        return err_set(err, ERR_UNAUTHENTICATED, "the token names no subject");
    }
    return 0;
}

static void digest_token(const struct token_key *key, const char *cluster, struct slice token,
                         uint8_t digest[SHA256_BYTES])
{
    struct buf text = {0};
    buf_add_be64(&text, key->id);
    buf_add_be32(&text, (uint32_t)strlen(cluster));
    buf_add_cstr(&text, cluster);
    buf_add(&text, token);
    crypto_sha256(buf_slice(&text), digest);
    buf_free(&text);
}

/* aud is a text or a list of texts. */
static bool match_audiences(const json_t *aud, struct token_audiences *audiences)
{
    bool any = false;
    for (size_t i = 0; i < audiences->count; i++) {
        struct slice wanted = audiences->wanted[i];
        audiences->matched[i] = json_is_string(aud) && slice_eq(json_text(aud), wanted);
        for (size_t j = 0; j < json_array_size(aud); j++) {
            audiences->matched[i] |= slice_eq(json_text(json_array_get(aud, j)), wanted);
        }
        any = any || audiences->matched[i];
    }
    return any;
}

/* The whole check, signature and all, but for the times. */
static int verify(const struct token_key *key, struct token_audiences *audiences,
                  struct slice token, struct arena *arena, struct subject *subject,
                  struct known_times *times, struct err *err)
{
    cjose_jws_t *jws = cjose_jws_import(token.data, token.len, NULL);
    json_t *claims = NULL;
    int rc = 0;
    if (jws == NULL || read_claims(jws, &claims) != 0 ||
        !slice_eq_cstr(json_text_at(claims, "iss"), ISSUER)) {
        rc = err_set(err, ERR_UNAUTHENTICATED, "the bearer token is not one of choreod's");
    } else if (!match_audiences(json_object_get(claims, "aud"), audiences)) {
        rc = err_set(err, ERR_UNAUTHENTICATED,
                     "the token is for another cluster, or audience, than this one");
    } else if (!cjose_jws_verify(jws, key->jwk, NULL)) {
        rc = err_set(err, ERR_UNAUTHENTICATED, "the token's signature does not verify");
    } else if ((rc = read_times(claims, times, err)) == 0) {
        rc = read_subject(claims, arena, subject, err);
    }
    json_decref(claims);
    cjose_jws_release(jws);
    return rc;
}

static int check_form(struct slice token, struct err *err)
{
    if (token.len == 0 || token.len > TOKEN_BYTES_MAX || !is_es256(token)) {
        return err_set(err, ERR_UNAUTHENTICATED, "the bearer token is not one of choreod's");
    }
    return 0;
}

int token_check_audiences(const struct token_key *key, struct slice token,
                          struct token_audiences *audiences, uint64_t now_wall_ms,
                          struct arena *arena, struct subject *subject, struct err *err)
{
    struct known_times times;
    int rc = check_form(token, err);
    rc = rc != 0 ? rc : verify(key, audiences, token, arena, subject, &times, err);
    return rc != 0 ? rc : check_times(&times, now_wall_ms, err);
}

int token_check(const struct token_key *key, const char *cluster, struct slice token,
                uint64_t now_wall_ms, struct arena *arena, struct subject *subject, struct err *err)
{
    const struct slice audience = slice_of(cluster);
    struct token_audiences audiences = {.wanted = &audience, .count = 1};
    uint8_t digest[SHA256_BYTES];
    struct known_times times;
    int rc = check_form(token, err);
    if (rc != 0) {
        return rc;
    }
    digest_token(key, cluster, token, digest);
    if (!known_find(digest, arena, subject, &times)) {
        rc = verify(key, &audiences, token, arena, subject, &times, err);
        if (rc != 0) {
            return rc;
        }
        known_keep(digest, subject, &times);
    }
    return check_times(&times, now_wall_ms, err);
}
