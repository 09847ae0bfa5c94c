// Command gokeyring is a program that uses zalando/go-keyring, as gh and its
// like do: gokeyring get|set|delete|delete-all SERVICE
// ACCOUNT [VALUE].
package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/zalando/go-keyring"
)

func main() {
	do, service, account := os.Args[1], os.Args[2], os.Args[3]
	var value string
	var err error
	switch do {
	case "get":
		value, err = keyring.Get(service, account)
	case "set":
		err = keyring.Set(service, account, os.Args[4])
	case "delete":
		err = keyring.Delete(service, account)
	case "delete-all":
		err = keyring.DeleteAll(service)
	}
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		fmt.Println("absent")
	case err != nil:
		fmt.Println("error:" + err.Error())
	case do == "get":
		fmt.Println("value:" + hex.EncodeToString([]byte(value)))
	default:
		fmt.Println("done")
	}
}
