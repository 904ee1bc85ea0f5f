# The stores of the tests: for each NAME there is NAME.sh start|stop DIR.
stores="openbao postgres moto keyvault"
