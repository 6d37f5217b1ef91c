"""Run by manage.py's python inside the project: users of every kind, and their tokens."""

import json
import sys

import django

django.setup()

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from rest_framework.authtoken.models import Token
from rest_framework_simplejwt.tokens import RefreshToken

HASHERS = ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt", "md5"]
PASSWORD = "Tr1cky-Phrase-77"

told = {"password": PASSWORD, "users": {}}


def user(name, hasher="pbkdf2_sha256", **more):
    made = User(username=name, email=f"{name}@example.com", **more)
    made.password = make_password(PASSWORD, hasher=hasher)
    made.save()
    told["users"][name] = made.pk
    return made


# Ids are not those that a new store would give.
User.objects.create(username="gone").delete()
User.objects.create(pk=40, username="also_gone").delete()
for hasher in HASHERS:
    user(hasher, hasher)
editors = Group.objects.create(name="Editors")
unnamed = Group.objects.create(name="Without a role")
editor = user("editor", "md5", first_name="Ada", last_name="Lovelace")
editor.groups.add(editors, unnamed)
editors.permissions.add(Permission.objects.get(codename="delete_user"))
editor.user_permissions.add(Permission.objects.get(codename="add_user"))
user("staff", "md5", is_staff=True)
user("root", "md5", is_staff=True, is_superuser=True)
user("shut", "md5", is_active=False)
unusable = user("unusable", "md5")
unusable.set_unusable_password()
unusable.save()
# 8.3: a name with a space in it, which Django's API makes and its forms do not.
user("two words", "md5")

pair = RefreshToken.for_user(editor)
told["access"], told["refresh"] = str(pair.access_token), str(pair)
ended = RefreshToken.for_user(editor)
told["ended"] = str(ended)
ended.blacklist()
of_shut = RefreshToken.for_user(User.objects.get(username="shut"))
told["shut_access"] = str(of_shut.access_token)
told["key"] = Token.objects.create(user=editor).key

with open(sys.argv[1], "w") as file:
    json.dump(told, file)
