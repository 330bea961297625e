#!/usr/bin/env python3
"""Prints the password hashes of test/sql/identity.sql as SQL rows (name, hash).

They are made by passlib, argon2-cffi, bcrypt, Django, firebase_scrypt and
Python's hashlib, never by this project:

    pip install passlib argon2-cffi bcrypt django firebase_scrypt setuptools
    test/identity/hashes.py"""
import base64
import hashlib
import warnings

import bcrypt
import django
from argon2 import PasswordHasher, Type
from argon2.low_level import hash_secret
from django.conf import settings
from firebase_scrypt.firebasescrypt import encrypt, generate_derived_key
from passlib.hash import pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, scrypt, sha256_crypt, sha512_crypt

warnings.filterwarnings("ignore")
settings.configure()
django.setup()
from django.contrib.auth import hashers

PASSWORD = "correct horse battery"
# Firebase's published example of a project's parameters.
SIGNER = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="


class Bcrypt(hashers.BCryptPasswordHasher):
    rounds = 5


class BcryptSHA256(hashers.BCryptSHA256PasswordHasher):
    rounds = 5


def firebase(password, salt):
    return base64.b64encode(encrypt(base64.b64decode(SIGNER), generate_derived_key(password, salt, "Bw==", 8, 14))).decode()


def keycloak(digest, rounds):
    salt = base64.b64encode(b"0123456789abcdef").decode()
    key = base64.b64encode(hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), b"0123456789abcdef", rounds, 64)).decode()
    return f"$pbkdf2-{digest}$i={rounds},l=64${salt}${key}"


# Firebase's own answer for its example.
assert firebase("user1password", "42xEC+ixf3L2lw==") == "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
bcrypt_2b = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode()
hashes = {
    "argon2id": PasswordHasher(time_cost=3, memory_cost=4096, parallelism=4).hash(PASSWORD),
    "argon2i": PasswordHasher(time_cost=3, memory_cost=4096, parallelism=1, type=Type.I).hash(PASSWORD),
    "argon2id, long": hash_secret(PASSWORD.encode(), b"0123456789abcdef0123456789abcdef", 2, 1024, 1, 64, Type.ID).decode(),
    "bcrypt 2a": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5, prefix=b"2a")).decode(),
    "bcrypt 2b": bcrypt_2b,
    "bcrypt 2y": bcrypt_2b.replace("$2b$", "$2y$"),
    "scrypt": scrypt.using(rounds=10, block_size=8, parallelism=2).hash(PASSWORD),
    "pbkdf2-sha256": pbkdf2_sha256.using(rounds=2000).hash(PASSWORD),
    "pbkdf2-sha512": pbkdf2_sha512.using(rounds=2000).hash(PASSWORD),
    "pbkdf2-sha1": pbkdf2_sha1.using(rounds=2000).hash(PASSWORD),
    "sha256-crypt": sha256_crypt.using(rounds=2000).hash(PASSWORD),
    "sha512-crypt": sha512_crypt.using(rounds=5000).hash(PASSWORD),
    "Django pbkdf2_sha256": hashers.PBKDF2PasswordHasher().encode(PASSWORD, "NaCl", 2000),
    "Django pbkdf2_sha1": hashers.PBKDF2SHA1PasswordHasher().encode(PASSWORD, "NaCl", 2000),
    "Django argon2": "argon2" + PasswordHasher(time_cost=2, memory_cost=1024, parallelism=8).hash(PASSWORD),
    "Django bcrypt": Bcrypt().encode(PASSWORD, bcrypt.gensalt(5)),
    "Django bcrypt_sha256": BcryptSHA256().encode(PASSWORD, bcrypt.gensalt(5)),
    "Django scrypt": hashers.ScryptPasswordHasher().encode(PASSWORD, "NaCl", 1024),
    "Keycloak pbkdf2-sha256": keycloak("sha256", 2750),
    "Keycloak pbkdf2-sha512": keycloak("sha512", 2100),
    "Firebase": f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={SIGNER}$42xEC+ixf3L2lw==${firebase(PASSWORD, '42xEC+ixf3L2lw==')}",
}
print(",\n".join(f"\t('{name}', '{value}')" for name, value in hashes.items()) + ";")
