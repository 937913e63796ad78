package sqlstore_test

// children are the programs this test binary is besides, by VOICE_TEST_CHILD.
var children = map[string]func(){}
