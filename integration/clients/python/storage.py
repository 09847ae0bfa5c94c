"""storage.py get|set|delete SERVICE ACCOUNT [VALUE]: SecretStorage."""
import sys
import secretstorage

verb, service, account = sys.argv[1:4]
want = {"service": service, "username": account}
try:
    bus = secretstorage.dbus_init()
    collection = secretstorage.get_default_collection(bus)
    if verb == "set":
        collection.create_item(service, want, sys.argv[4].encode(), replace=True)
        print("done")
        sys.exit()
    item = next(iter(collection.search_items(want)), None)
    if item is None:
        print("absent")
    elif verb == "get":
        if item.is_locked() and item.unlock():
            print("locked")
        else:
            print("value:" + item.get_secret().hex())
    else:
        item.delete()
        print("done")
except Exception as e:
    print("error:" + type(e).__name__ + ": " + str(e))
