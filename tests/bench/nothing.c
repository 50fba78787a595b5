/* The smallest program to run in a container. */
int main(void)
{
	return 0;
}
