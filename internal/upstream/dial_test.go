package upstream

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Nothing is sent to where a cloud has its metadata, whatever name led there.
func TestCheckAddress(t *testing.T) {
	for address, refused := range map[string]bool{
		"169.254.169.254:80": true, "[fe80::1%eth0]:80": true, "[fd00:ec2::254]:80": true, "[::ffff:169.254.169.254]:80": true,
		"127.0.0.1:80": false, "10.0.0.1:443": false, "[2001:db8::1]:443": false,
	} {
		err := checkAddress(address)
		assert.Equal(t, refused, err != nil, address)
	}
}
