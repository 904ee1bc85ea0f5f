module github.com/tacit-secrets/tacit/test/peers/slow

go 1.26
