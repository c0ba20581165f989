// Package terraformtest holds, by tests alone, the deployment in terraform/ to the code that it deploys: the tables of
// its README, what its source archive leaves out, the log lines that its metrics count, the settings that it gives the
// function, and the roles that it grants. It reads the files as they are, and needs neither Terraform nor a provider;
// terraform/tests is for those.
package terraformtest
