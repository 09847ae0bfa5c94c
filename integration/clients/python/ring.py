"""ring.py get|set|delete SERVICE ACCOUNT [VALUE]: the keyring package."""
import sys
import keyring.backends.SecretService
import keyring.errors

verb, service, account = sys.argv[1:4]
ring = keyring.backends.SecretService.Keyring()
try:
    if verb == "get":
        got = ring.get_password(service, account)
        print("absent" if got is None else "value:" + got.encode().hex())
    elif verb == "set":
        ring.set_password(service, account, sys.argv[4])
        print("done")
    else:
        ring.delete_password(service, account)
        print("done")
except keyring.errors.PasswordDeleteError:
    print("absent")
except Exception as e:
    print("error:" + type(e).__name__ + ": " + str(e))
